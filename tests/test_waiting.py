"""One display for everything that make report waits for: what it counts, what it remembers, who may build."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from workbook.report import __main__ as cli
from workbook.report import waiting
from workbook.report.notebook import ReportError
from workbook.runs import store
from workbook.runs.experiment import code_version

ROOT = store.ROOT


@pytest.fixture
def build(monkeypatch, tmp_path):
    """An empty folder to build in, and results of two networks."""
    monkeypatch.setattr(waiting, "BUILD", tmp_path)
    monkeypatch.setattr(waiting, "FOLDER", tmp_path / "progress")
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    store.RESULTS.mkdir()
    for name in ("a", "b"):
        (store.RESULTS / f"{key(name)}.json").touch()
    return tmp_path


def key(name):
    return f"{name}-{code_version()}"


def tell(name, asked, work=0.0, doing="", scores=()):
    """Write what a notebook's kernel does."""
    told = {"asked": {key(each): 10.0 for each in asked}, "trained": 0, "loaded": 0, "seconds": 1.0, "pid": 1}
    told |= {"doing": doing, "work": work, "time": time.time(), "metric": "validation_accuracy", "scores": scores}
    (waiting.FOLDER / f"{name}.json").write_text(json.dumps(told))


def state(name, **content):
    (waiting.FOLDER / f"{name}.state").write_text(json.dumps(content))


def waits(names=("05", "06"), **before):
    path = waiting.BUILD / "asked.json"
    path.write_text(json.dumps(before))
    return waiting.Waiting("report", list(names), 2, path)


def test_it_counts_what_is_missing_before_the_first_is_trained(build):
    """05 asked for a, b and c the last time, 06 for c and d, under another lib/nn: c and d are missing."""
    last = {"05": ["a", "b", "c"], "06": ["c", "d"]}
    before = {n: {"asked": {f"{k}-older": 10.0 for k in ks}, "beside": 4.0} for n, ks in last.items()}
    display = waits(**before)
    top, bottom = display.lines()
    assert re.match(r"report ▕ +▏ 0 of 2 networks, 0:00$", top) and bottom == "0 of 2 notebooks done"
    state("05", state="runs")
    tell("05", ["a", "b", "c"], 5.0, "1 in training")
    assert display.lines()[1] == "0 of 2 notebooks done; 05 1 in training"
    time.sleep(0.01)
    (store.RESULTS / f"{key('c')}.json").touch()
    state("05", state="done", seconds=9.0)
    tell("05", ["a", "b", "c"], scores=[0.5, 0.4321])
    display.first = time.time() - 20  # seconds for one of two networks
    top, bottom = display.lines()
    assert " 1 of 2 networks, " in top and "best 50.00 %, latest 43.21 %" in top
    assert re.search("0:2[0-3] left", top), "20 s for d, and half of 4 s, as two notebooks run side by side"
    assert bottom == "1 of 2 notebooks done"


def test_it_says_so_where_it_does_not_know_all(build):
    display = waits()
    assert display.lines()[0].startswith("report: so far no network to train")
    state("05", state="runs")
    tell("05", ["c"], 10.0, "waits for a core (taken by 09)")
    top, bottom = display.lines()
    assert " 0 of at least 1 networks" in top and " left" not in top
    assert bottom == "0 of 2 notebooks done; 05 waits for a core (taken by 09)"


def test_networks_that_are_wanted_anew_count_as_missing(build, monkeypatch):
    monkeypatch.setenv("FRESH", "05")
    before = {"05": {"asked": {key("a"): 10.0}, "beside": 1.0}, "06": {"asked": {key("b"): 10.0}, "beside": 1.0}}
    assert " 0 of 1 networks" in waits(**before).lines()[0]


@pytest.mark.parametrize(("status", "what"), [(130, "interrupted"), (2, "not finished")])
def test_the_end_says_what_is_done_and_remembers_it(build, capsys, status, what):
    display = waits()
    state("05", state="done", seconds=9.0)
    tell("05", ["a", "c"])
    state("06", state="failed")
    display.end(status)
    line = (
        f"report: {what}; 1 of 2 notebooks done, 0 networks trained and stored; not done: 06; the same command goes on"
    )
    assert capsys.readouterr().err == f"{line}\n"
    told = json.loads(display.memory.read_text())
    assert told == {"05": {"asked": {key("a"): 10.0, key("c"): 10.0}, "beside": 8.0}}


def test_make_names_the_notebooks_that_would_run():
    """In the order of the Makefile, once each."""
    targets = ["reports/report.pdf", f"PY={sys.executable}", "-B"]
    found = waiting._notebooks(targets)
    assert sorted(found) == sorted(
        path.stem for path in ROOT.glob("notebooks/*.ipynb") if path.stem not in ("start", "playground")
    )


def test_only_one_builds_at_a_time(build):
    hold = f"""
from workbook.report import waiting
import pathlib; waiting.BUILD = pathlib.Path({str(build)!r})
with waiting.alone("report"):
    print("holds", flush=True)
    input()
"""
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", hold], cwd=ROOT, **pipe) as other:
        other.stdout.readline()
        with pytest.raises(ReportError, match=rf"make report \(process {other.pid}, since .*\) is building in this"):
            with waiting.alone("all"):
                pass
        other.communicate("")
    with waiting.alone("all"):
        assert f"process {os.getpid()}" in (build / ".lock").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["PROFILE=foo", "report"], "PROFILE=foo: say auto, dry, quick or full"),
     (["DATA=x", "all"], "DATA=x: say auto, cifar10 or standin"),
     (["ONLY=77", "report"], "no section begins with 77; there are summary 00-data"),
     (["workers", "SCHEDULER=garbage"], "SCHEDULER='garbage': say whose workers, such as SCHEDULER=tcp://"),
     (["workers", "SCHEDULER=tcp://nope.invalid:8786"], "tcp://nope.invalid:8786: there is no such host"),
     (["workers", "SCHEDULER=tcp://127.0.0.1:8786", "WORKERS=x"], "WORKERS=x: must be a number of processes"),
     (["scheduler", "HOST=nope.invalid"], "HOST=nope.invalid: nobody can listen at port 8786 there")],
)  # fmt: skip
def test_wrong_words_for_make_are_refused_at_once(arguments, message):
    done = subprocess.run(["make", *arguments, f"PY={sys.executable}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) <= 2, done.stderr


def test_a_document_of_the_notebooks_that_are_well(build, monkeypatch):
    made = []
    monkeypatch.setattr("workbook.report.build.build", lambda *arguments, **how: made.append((arguments, how)) or ["p"])
    (build / "a.ipynb").touch()
    cli._build_rest(f"{build}/report", f"{build}/a.ipynb,{build}/b.ipynb")
    assert made == [(([f"{build}/a.ipynb"], f"{build}/report-incomplete"),
                     {"lax": True, "metadata": f"{build}/report.yml"})]  # fmt: skip
