"""The store: a record comes back as it was, or not at all, and what is damaged is named and set aside."""

import csv
import errno
import json
import math
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

from workbook.runs import store

CURVES = {name: [0.5, math.nan] for name in ("eta", *store.SCORES[:6])}
HOW = dict.fromkeys(("date", "machine", "python", "numpy"), "x") | {"seconds": 1.5, "fingerprint": "f"}
RECORD = {
    "diverged": True,
    "curves": {"update": [0, 5]} | CURVES,
    "scores": dict.fromkeys(store.SCORES, 0.25) | {"test_loss": math.inf},
    "run": HOW | {"experiment": {"hidden": [50], "n_train": None, "test": True}},
}


@pytest.fixture(autouse=True)
def results(monkeypatch, tmp_path):
    """An empty folder of results."""
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    store._clear.cache_clear()
    return store.RESULTS


def test_a_record_comes_back_as_it_was(results):
    """Infinity comes back as NaN; a setting that is None stays None."""
    store.save("a-b", RECORD)
    back = store.load("a-b")
    assert math.isnan(back["curves"]["train_loss"][1]) and math.isnan(back["scores"]["test_loss"])
    assert back["run"] == RECORD["run"] and back["diverged"] and back.keys() == RECORD.keys()
    assert list(back["curves"]) == list(RECORD["curves"]) and back["curves"]["update"] == [0, 5]
    assert "NaN" not in (results / "a-b.json").read_text()  # which is no JSON
    assert store.load("b-b") is None


# Damage


def damaged(capsys):
    """What was said, after a check that it was one line for each file that was set aside."""
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(list((store.RESULTS / "damaged").iterdir())) and not list(store.RESULTS.glob("*.json"))
    return said


def test_a_damaged_file_is_named_set_aside_and_no_result(results, capsys):
    """Cut anywhere, or with one bit turned over anywhere."""
    store.save("a-b", RECORD)
    file = results / "a-b.json"
    whole = file.read_bytes()
    turned = [whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :] for i in range(len(whole))]
    for content in [*(whole[:length] for length in range(len(whole))), *turned, b"\xff" + whole, whole + b" "]:
        file.write_bytes(content)
        assert store.load("a-b") is None, content
    said = damaged(capsys)
    assert len(said) == 2 * len(whole) + 2 and all(line.startswith(f"{file} is damaged (") for line in said)
    store.save("a-b", RECORD)
    assert file.read_bytes() == whole and store.load("a-b")


def test_a_result_of_another_key_is_damaged(results, capsys):
    store.save("a-b", RECORD)
    (results / "a-b.json").rename(results / "c-b.json")
    assert store.current("b", "f") == [] and "checksum does not fit" in damaged(capsys)[0]


def without(record, *path):
    """A copy of a record that lacks what is at a path."""
    copied = json.loads(json.dumps(store._finite(record)))
    inner = copied
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return copied


def changed(part, name, value):
    return RECORD | {part: RECORD[part] | {name: value}}


WRONG = [
    1, "text", None, [1], {"a": 1}, RECORD | {"extra": 1}, RECORD | {"weights": 1}, RECORD | {"diverged": 1},
    *(without(RECORD, name) for name in RECORD), *(without(RECORD, "run", name) for name in RECORD["run"]),
    without(RECORD, "curves", "eta"), without(RECORD, "scores", "test_loss"),
    changed("scores", "test_accuracy", 7.5), changed("scores", "test_loss", "0.5"), changed("scores", "more", 1),
    changed("curves", "eta", [0.5]), changed("curves", "eta", 1), changed("curves", "eta", ["1", 2]),
    changed("curves", "validation_accuracy", [0.5, 1.5]),
    changed("run", "seconds", "1"), changed("run", "experiment", 1),
]  # fmt: skip


@pytest.mark.parametrize("record", WRONG, ids=[f"{i}" for i in range(len(WRONG))])
def test_without_a_checksum_the_shape_decides(results, capsys, record):
    """As in results of earlier versions."""
    results.mkdir()
    for key, content in (("a-b", RECORD), ("c-b", record)):
        (results / f"{key}.json").write_text(json.dumps(store._finite(content)))
    assert store.load("a-b") and store.load("c-b") is None
    assert store.load("a-b") and store.load("c-b") is None and len(store.current("b", "f")) == 1
    assert capsys.readouterr().err.count("c-b.json is damaged (") == 1


@pytest.mark.parametrize("what", ["deep", "folder", "link"])
def test_anything_in_place_of_a_file_is_set_aside(results, capsys, what):
    results.mkdir()
    path = results / "a-b.json"
    {"deep": lambda: path.write_text("[" * 200_000), "folder": lambda: (path / "x").mkdir(parents=True),
     "link": lambda: path.symlink_to(path)}[what]()  # fmt: skip
    assert store.current("b", "f") == [] and not store.is_stale("a-c") and len(damaged(capsys)) == 1
    store.save("a-b", RECORD)
    assert len(store.current("b", "f")) == 1


# Interruption


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_killed_writer_leaves_no_result_and_what_it_leaves_is_cleared(results, moment):
    script = f"""
import os, pathlib, signal
from workbook.runs import store
store.RESULTS = pathlib.Path({str(results)!r})
store.write(store.RESULTS / "old-b.json", "x")
os.{moment} = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
store.write(store.RESULTS / "new-b.json", "x")
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -signal.SIGKILL
    assert store.load("new-b") is None
    assert [path.name for path in results.glob("*.json")] == ["old-b.json"]
    (left,) = results.glob(".*")
    os.utime(left, (1, 1))
    store.save("new-b", RECORD)
    assert len(store.current("b", "f")) == 1 and not left.exists()


def test_what_another_process_writes_now_is_not_cleared(results):
    results.mkdir()
    (results / ".a-b.json.tmp-1").write_text("")
    store.save("new-b", RECORD)
    assert len(list(results.glob(".*"))) == 1


def test_an_older_result_stays_until_the_new_one_is_whole(results, monkeypatch):
    store.save("a-b", RECORD)
    monkeypatch.setattr(os, "fsync", lambda number: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.save("a-b", RECORD | {"diverged": False})
    assert store.load("a-b")["diverged"] and not list(results.glob(".*"))


@pytest.fixture
def mounted(tmp_path):
    """A function that mounts a small tmpfs with some options in a new folder; it is unmounted at the end."""
    folders = []

    def mount(options):
        folder = tmp_path / f"disk{len(folders)}"
        folder.mkdir(exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True).returncode:
            pytest.skip("mount is not possible here")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("full", [True, False], ids=["full disk", "read-only"])
def test_where_nothing_can_be_written_the_command_says_so_in_one_line(mounted, tmp_path, full):
    """Nothing is left behind that fills the disk or is taken for a result."""
    results = mounted("size=64k")
    (tmp_path / "l2.yaml").write_text(
        "run: experiment\nparameters: {data: {value: standin}, n_s: {value: 2}, cycles: {value: 1}, "
        "n_train: {value: 200}, hidden: {value: [5]}, seed: {values: [1, 2]}}"
    )
    if full:
        with open(results / "filler", "wb") as file, pytest.raises(OSError, match="space"):
            file.write(bytes(1 << 20))
    else:
        subprocess.run(["mount", "-o", "remount,ro", results], check=True)
    script = f"""
import lib, pathlib, sys
from workbook.runs import store, sweep
store.RESULTS, store.REPORTS = pathlib.Path({str(results)!r}), pathlib.Path({str(tmp_path)!r})
sys.exit(sweep.main([{str(tmp_path / "l2.yaml")!r}]))
"""
    environment = os.environ | {"SCHEDULER": "inproc"}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    last = run.stderr.splitlines()[-1]
    assert run.returncode == 2 and "Traceback" not in run.stderr, run.stderr
    assert last.startswith("sweep: ") and os.strerror(errno.ENOSPC if full else errno.EROFS) in last
    assert not list(results.rglob("*.json*"))


def test_current_results_are_those_of_this_code_and_data():
    for name, fingerprint in (("1-new", "f"), ("2-new", "g"), ("3-old", "f"), ("4-new", "f")):
        run = RECORD["run"] | {"fingerprint": fingerprint, "machine": name}
        store.save(name, RECORD | {"run": run, "weights": [[1.0]]})
    found = store.current("new", "f")
    assert [record["run"]["machine"] for record in found] == ["1-new", "4-new"]
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


def test_no_cell_of_a_table_is_a_formula(tmp_path):
    cells = ["=1+1", "+A1", "-A1", "@x", " =1", "-0.5", "+1e3", "a=b", "", None, -1.5]
    store.write_table(tmp_path / "t.csv", pd.DataFrame({"a": cells}))
    with open(tmp_path / "t.csv", newline="") as file:
        found = [row[0] for row in csv.reader(file)][1:]
    assert found == ["'=1+1", "'+A1", "'-A1", "'@x", "' =1", "-0.5", "+1e3", "a=b", "", "", "-1.5"]
