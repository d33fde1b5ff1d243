"""JupyterLab on a copy of the notebooks, in headless Chromium, as `make test-browser` drives it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = "--no-browser --allow-root --port-retries=50 --expose-app-in-browser"
#: JupyterLab asks whether to fetch news, and what to do when a notebook was saved from another page
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false"},
    "docmanager-extension/plugin": {"autosave": False},
}
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
    for plugin, settings in SETTINGS.items():
        path = home / f".jupyter/lab/user-settings/@jupyterlab/{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(settings))
    environment = os.environ | {"HOME": str(home), "PYTHONPATH": str(root), "SCHEDULER": "inproc"}
    environment["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")  # prepared images
    with open(home / "lab.log", "w+") as log:
        command = ["make", "lab", f"PY={sys.executable}", f"LAB={OPTIONS}"]
        started = {"cwd": root, "env": environment, "stdout": log, "stderr": subprocess.STDOUT}
        server = subprocess.Popen(command, start_new_session=True, **started)
        try:
            yield _address(home, server, log)
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # make, the server and its kernels


def _address(home, server, log):
    """Return the server's (address, token), when it answers."""
    for _ in range(300):
        time.sleep(1)
        for path in home.rglob("jpserver-*.json"):
            with contextlib.suppress(OSError, ValueError):  # it does not listen yet, or the file is half written
                about = json.loads(path.read_text())
                urllib.request.urlopen(f"{about['url']}api/status?token={about['token']}", timeout=30).read()
                return about["url"], about["token"]
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

    def __init__(self, browser, address):
        self.url, self.token = address
        self.page = browser.new_page(viewport={"width": 1300, "height": 950})
        self.page.set_default_timeout(300_000)  # milliseconds; the machine may have other work
        self.errors = []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path=""):
        """Open a notebook, by its path from the root; without one, what `make lab` opens."""
        target = f"lab/tree/{path}" if path else ""
        self.page.goto(f"{self.url}{target}?token={self.token}&reset", wait_until="commit")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.page.wait_for_function(
            "window.jupyterapp.shell.currentWidget.sessionContext?.session?.kernel?.status == 'idle'"
        )

    def command(self, name, **arguments):
        """Run a command of JupyterLab and wait until it is done."""
        return self.page.evaluate(f"window.jupyterapp.commands.execute({name!r}, {json.dumps(arguments)})")

    def run_all(self):
        """Run all cells of the notebook."""
        self.command("notebook:run-all-cells")

    def run_until(self, text):
        """Run the cells down to the one whose source holds a text, and that one."""
        self.show(text)
        self.command("notebook:run-all-above")
        self.command("notebook:run-cell")

    def show(self, text):
        """Make the cell whose source holds a text the active one, in view."""
        self.page.evaluate(
            """text => {
                const notebook = window.jupyterapp.shell.currentWidget.content
                const index = notebook.widgets.findIndex(cell => cell.model.sharedModel.source.includes(text))
                notebook.activeCellIndex = index
                return notebook.scrollToItem(index, 'start')
            }""",
            text,
        )

    def write(self, text, source):
        """Replace the source of the cell that holds a text, as with the keyboard, run it, and return what it prints."""
        self.show(text)
        self.command("notebook:enter-edit-mode")
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(source)
        self.command("notebook:run-cell")
        return self.page.locator(".jp-Cell.jp-mod-active .jp-OutputArea").inner_text()


@pytest.fixture
def page(browser, lab):
    """A page of JupyterLab, without an error in its console to the end."""
    page = Lab(browser, lab)
    yield page
    page.page.close()
    assert page.errors == []
