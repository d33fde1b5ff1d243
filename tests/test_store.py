"""The store: a record comes back as it was, or not at all."""

import math
import os
import signal
import subprocess
import sys

import pytest

from workbook.runs import store

RECORD = {
    "diverged": True,
    "curves": {"update": [0, 5], "train_loss": [2.302585092994046, math.nan], "eta": [1e-5, 0.1]},
    "scores": {"test_loss": math.inf, "test_accuracy": 0.1},
    "run": {"seconds": 1.5, "fingerprint": "f", "experiment": {"hidden": [50], "n_train": None, "test": True}},
}


@pytest.fixture(autouse=True)
def results(monkeypatch, tmp_path):
    """An empty folder of results."""
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")


def test_a_record_comes_back_as_it_was():
    """Infinity comes back as NaN; a setting that is None stays None."""
    store.save("a-b", RECORD)
    back = store.load("a-b")
    nan = back["curves"]["train_loss"].pop(), back["scores"].pop("test_loss")
    assert all(map(math.isnan, nan))
    assert back == {
        "diverged": True,
        "curves": {"update": [0, 5], "train_loss": [2.302585092994046], "eta": [1e-5, 0.1]},
        "scores": {"test_accuracy": 0.1},
        "run": RECORD["run"],
    }
    assert "NaN" not in (store.RESULTS / "a-b.json").read_text()  # which is no JSON
    assert store.load("b-b") is None


def test_a_damaged_file_is_no_result():
    store.save("a-b", RECORD)
    file = store.RESULTS / "a-b.json"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert store.load("a-b") is None, whole[:length]
    file.write_bytes(b"\xff" + whole)
    assert store.load("a-b") is None and store.current("b", "f") == [] and not store.is_stale("a-c")
    store.save("a-b", RECORD)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_killed_writer_leaves_no_result(moment):
    script = f"""
import os, pathlib, signal
from workbook.runs import store
store.RESULTS = pathlib.Path({str(store.RESULTS)!r})
store.save("old-b", {{"run": {{"fingerprint": "f"}}}})
os.{moment} = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
store.save("new-b", {{"run": {{"fingerprint": "f"}}}})
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -signal.SIGKILL
    assert store.load("new-b") is None and len(store.current("b", "f")) == 1
    assert [path.name for path in store.RESULTS.glob("*.json")] == ["old-b.json"]
    store.save("new-b", RECORD)
    assert len(store.current("b", "f")) == 2


def test_an_older_result_stays_until_the_new_one_is_whole(monkeypatch):
    store.save("a-b", RECORD)
    monkeypatch.setattr(os, "fsync", lambda number: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.save("a-b", {})
    assert store.load("a-b")["scores"]["test_accuracy"] == 0.1


def test_current_results_are_those_of_this_code_and_data():
    for name, fingerprint in (("1-new", "f"), ("2-new", "g"), ("3-old", "f"), ("4-new", "f")):
        store.save(name, {"name": name, "run": {"fingerprint": fingerprint}, "weights": [[1.0]]})
    found = store.current("new", "f")
    assert [record["name"] for record in found] == ["1-new", "4-new"]
    assert not any("weights" in record for record in found), "which are large"


def test_a_file_of_text_or_bytes_that_would_not_change_keeps_its_date(tmp_path):
    """So that make does not remake what was made of it."""
    path = tmp_path / "new" / "a.csv"
    store.write(path, "é,1\n")
    os.utime(path, (1, 1))
    store.write(path, "é,1\n".encode())
    assert path.stat().st_mtime == 1
    store.write(path, "é,2\r\n")
    assert path.stat().st_mtime > 1 and path.read_bytes() == "é,2\r\n".encode()
