"""JupyterLab on a copy of the notebooks, in headless Chromium, as `make test-browser` drives it."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
FLAGS += ("--disable-component-update", "--disable-sync", "--no-first-run")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The address of a JupyterLab whose root is a copy of what git holds, with an empty HOME."""
    root, home = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("home")
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in names.stdout.split():
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    environment = os.environ | {"HOME": str(home), "PYTHONPATH": str(root), "SCHEDULER": "inproc"}
    with open(home / "lab.log", "w+") as log:
        command = ["make", "lab", f"PY={sys.executable}", "LAB=--no-browser --allow-root --port-retries=50"]
        server = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _address(home, server, log)
        finally:
            subprocess.run([sys.executable, "-m", "jupyter", "server", "stop", "--all"], env=environment, check=False,
                           capture_output=True)  # fmt: skip
            server.terminate()
            server.wait(30)


def _address(home, server, log):
    """Return the server's (address, token), when it answers."""
    for _ in range(600):
        time.sleep(0.2)
        for path in home.rglob("jpserver-*.json"):
            about = json.loads(path.read_text() or "{}")
            if about:
                url = about["url"]
                urllib.request.urlopen(f"{url}api/status?token={about['token']}", timeout=10).read()
                return url, about["token"]
        if server.poll() is not None:
            break
    log.seek(0)
    pytest.fail(f"JupyterLab did not start: {log.read()[-2000:]}", pytrace=False)


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[browser]'")
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


class Lab:
    """One page of JupyterLab, and the errors of its console."""

    def __init__(self, browser, address, theme="JupyterLab Light"):
        self.url, self.token = address
        self.page = browser.new_page(viewport={"width": 1400, "height": 1000})
        self.errors = []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path=""):
        """Open a notebook, by its path from the root."""
        target = f"lab/tree/{path}" if path else "lab"
        self.page.goto(f"{self.url}{target}?token={self.token}&reset")
        self.page.wait_for_selector(".jp-LabShell", timeout=90_000)
        return self.page

    def command(self, name, **arguments):
        """Run a command of JupyterLab."""
        return self.page.evaluate(f"window.jupyterapp.commands.execute({name!r}, {json.dumps(arguments)})")
