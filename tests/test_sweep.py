"""Sweeps: what a file may say; searches that go on where they stopped; a real cluster whose parts are killed."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook

from workbook.runs import cluster, engine, notebooks, store, sweep

ROOT, picture = store.ROOT, sweep._picture
L2 = {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1}
RECORD = "application/vnd.cifar10-workbook.record+json"
METRIC = {"name": "validation_accuracy", "goal": "maximize"}
SMALL = {name: {"value": value} for name, value in {"data": "standin", "n_s": 4, "cycles": 1, "log_every": 4}.items()}


@pytest.fixture
def here(tiny, monkeypatch, tmp_path):
    """The small images, a worker inside this process, results in a temporary folder, pictures that take no time."""
    monkeypatch.setenv("SCHEDULER", cluster.IN_PROCESS)
    monkeypatch.setattr(sweep, "_picture", lambda table, metric, space: "<svg/>")
    monkeypatch.setattr(store, "REPORTS", tmp_path)
    monkeypatch.setattr(store, "ROOT", tmp_path)
    notebooks.data_name.cache_clear()
    return tmp_path


def write(folder, parameters, name="test", **content):
    """Write the file of a sweep and return its path."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"run": "experiment", "parameters": parameters} | content, sort_keys=False))
    return str(path)


def table(folder, name="test"):
    """The table of a sweep without the seconds, texts to the last digit."""
    return pd.read_csv(folder / f"sweeps/{name}/table.csv", dtype=str).drop(columns="seconds")


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs: experiment", r"key = 'runs' \(did you mean 'run'\?\)"),
        ("run: experiment", "parameters = None, allowed: names, each with value"),
        ("run: experiments\nparameters: {}", "run = 'experiments', allowed: experiment, or the path of a notebook"),
        ("run: no.ipynb\nparameters: {}", "no.ipynb: no such notebook"),
        ("just a text", "key = 'just a text', allowed: names with values"),
        ("", ":1: key = None, allowed: names with values"),
        ("run: [", ":1: expected the node content"),
        ("run: experiment\nname: x", "key = 'name'"),
        ("run: experiment\nparameters: {L2: {value: 1}}", r"field = 'L2' \(did you mean 'l2'\?\)"),
        ("run: experiment\nparameters: {odd.skp: {value: 1}}", r"field of odd = 'skp' \(did you mean 'skip'\?\)"),
        ("run: experiment\nparameters: {optimizer_options.rho: {value: 1}}", "optimizer_options of sgd = 'rho', allo"),
        ("run: experiment\nparameters: {profile: {value: fast}}", "profile = 'fast', allowed: full, quick, dry"),
        ("run: experiment\nparameters: {l2: 0.1}", "l2 needs value, or a list of values"),
        ("run: experiment\nparameters: {l2: {vales: [0.1]}}", r"key of l2 = 'vales' \(did you mean 'values'\?\)"),
        ("run: experiment\nparameters: {l2: {values: []}}", "l2 needs value, or a list of values"),
        ("run: experiment\nparameters: {l2: {value: -1}}", "l2 = -1, allowed: a number of at least 0"),
        ("run: experiment\nparameters: {l2: {values: [0, '1e-5']}}", "l2 = '1e-5', allowed: a number of at least 0"),
        ("run: experiment\nparameters: {hidden: {value: 50}}", "hidden = 50, allowed: a list"),
        ("run: experiment\nparameters: {l2: LOG}", "l2 needs value, or a list of values$"),
        ("run: experiment\nmethod: random\nparameters: {l2: LOG}", "method random needs trials"),
        ("run: experiment\nmethod: random\ntrials: few\nparameters: {l2: LOG}", "trials = 'few', allowed: an integer"),
        ("run: experiment\nmethod: rand\ntrials: 1\nparameters: {l2: LOG}", r"method = 'rand' \(did you mean 'random'"),
        ("run: experiment\ntrials: 3\nparameters: {l2: {value: 1}}", "method grid takes no trials"),
        ("run: experiment\nmethod: tpe\ntrials: 1\nparameters: {l2: LOG}", "metric = None, allowed: .* method tpe"),
        ("run: experiment\nmethod: random\ntrials: 1\nparameters: {l2: BAD}", "l2: impossible range.*min 0.1, max 0.0"),
        ("run: experiment\nmethod: random\ntrials: 1\nparameters: {l2: ZERO}", "l2: impossible range.*min 0, max 1"),
        ("METRIC\nmethod: narrow\ntrials: 4\nparameters: {l2: LOG, hidden: {values: [[5], [6]]}}", "narrow needs one "),
        ("run: experiment\nmetric: {name: val_accuracy, goal: maximize}\nparameters: {}", "mean 'validation_accuracy'"),
        ("run: experiment\nmetric: {name: x, goal: up}\nparameters: {}", "goal = 'up', allowed: maximize, minimize"),
        ("METRIC\nmethod: tpe\ntrials: 100000000\nparameters: {l2: LOG}", ":4: trials = 100000000, allowed: .* 10001"),
        ("METRIC\nmethod: tpe\ntrials: true\nparameters: {l2: LOG}", ":4: trials = True, allowed: an integer"),
        ("METRIC\nmethod: tpe\ntrials: 2\ngeneration: 1000000000\nparameters: {l2: LOG}", ":5: generation = 10000"),
        ("run: experiment\nparameters: {l2: MANY, seed: MANY, n_s: MANY}", ":2: parameters: a grid of 27000000 runs"),
        ("METRIC\nmethod: random\ntrials: 2\nparameters: {l2: WIDE}", ":5: l2: impossible range .* 1e\\+308"),
        ("METRIC\nmethod: random\ntrials: 2\nparameters:\n  l2: HUGE", ":6: l2: impossible range for uniform"),
        ("METRIC\nmethod: random\ntrials: 2\nparameters: {seed: HALF}", ":5: seed: impossible range for int_uniform"),
        ("run: experiment\nparameters:\n  n_s: {value: 2}\n  hidden: {value: [9223372036854775808]}", ":4: hidden = 9"),
        ("run: experiment\nparameters: {1: {value: 2}}", ":2: parameters = {1: {'value': 2}}, allowed: names"),
        ("run: ../../x.ipynb\nparameters: {}", ":1: run = '../../x.ipynb', allowed: experiment, or the path"),
        ("run: n.ipynb\nmetric: {name: [a], goal: maximize}\nparameters: {}", ":2: metric = {'name': .'a'."),
        ("run: n.ipynb\nmetric: {name: null, goal: maximize}\nparameters: {}", ":2: metric = {'name': None"),
        ("run: n.ipynb\nmetric: {name: x, goal: [up]}\nparameters: {}", ":2: metric's goal = .'up'..*maximize"),
        ("run: experiment\nseed: !!bool abc\nparameters: {}", ":2: tags"),
        ("run: &a experiment\nmethod: *a\nparameters: {}", ":2: aliases"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_runs(here, capsys, text, message):
    domain = "{distribution: log_uniform_values, min: %s, max: %s}"
    for word, value in {
        "LOG": domain % ("1e-5", "1e-1"),
        "BAD": domain % (0.1, 0.01),
        "ZERO": domain % (0, 1),
        "WIDE": domain % (1, "1e+308"),
        "HUGE": "{distribution: uniform, min: 0, max: 1%s}" % ("0" * 400),
        "HALF": "{distribution: int_uniform, min: 0.5, max: 3}",
        "MANY": "{values: %s}" % ([1] * 300),
        "METRIC": "run: experiment\nmetric: {name: train_cost, goal: minimize}",
    }.items():
        text = text.replace(word, value)
    path = here / "test.yaml"
    path.write_text(text)
    with pytest.raises(sweep.SweepError, match=message):
        sweep.load(path)
    assert sweep.main([str(path)]) == 2
    output = capsys.readouterr().err
    assert output.count("\n") == 1 and re.match(rf"sweep: {path}:\d+: ", output)
    assert not (here / "sweeps").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks" / "sweeps").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_sweeps_of_the_project_are_sound(here, monkeypatch, path):
    monkeypatch.setattr(store, "ROOT", ROOT)
    assert sweep.load(path).folder.name == path.stem


@pytest.mark.parametrize("damage", ["cut", "digit", "list", "deep", "no run", "folder"])
def test_a_damaged_executed_notebook_is_named_and_set_aside(here, capsys, damage):
    kind, cells = (
        notebooks.Notebook("n.ipynb", here),
        [{"cell_type": "code", "outputs": [{"data": {RECORD: {"a": 0.25}}}]}],
    )
    run = {"seconds": 1.0, "checksum": notebooks._hash(cells)}
    whole, path = json.dumps({"cells": cells, "metadata": {"run": run}}), here / "k.ipynb"
    path.write_text(whole)
    assert kind._stored("k", {}).scores == {"a": 0.25} and kind._stored("other", {}) is None
    path.unlink()
    contents = {"cut": whole[:-9], "digit": whole.replace("0.25", "0.26"), "list": "[1]", "deep": "[" * 200_000}
    if damage == "folder":
        path.mkdir()
    else:
        path.write_text(contents.get(damage, whole.replace('"run"', '"ran"')))
    assert kind._stored("k", {}) is None and not path.exists() and len(list((here / "damaged").iterdir())) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{path} is damaged (") and said.count("\n") == 1


# ---------------------------------------------------------------- searches


def test_grid_table_and_plots(here, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "_picture", picture)
    path = write(here, SMALL | {"hidden": {"values": [[5], [6, 7]]}, "l2": {"values": [0.0, 1e-3]}}, metric=METRIC)
    assert sweep.main([path]) == 0
    rows = pd.read_csv(here / "sweeps/test/table.csv")
    assert list(rows["hidden"]) == ["[5]", "[5]", "[6, 7]", "[6, 7]"] and list(rows["l2"]) == [0, 1e-3] * 2
    assert set(rows["status"]) == {"done"} and (rows["seconds"] > 0).all()
    record = store.load(rows["key"][2])
    assert record["run"]["experiment"]["hidden"] == [6, 7]
    assert record["scores"]["test_accuracy"] == rows["test_accuracy"][2]
    assert {p.stem for p in (here / "sweeps/test").glob("*.svg")} == record["scores"].keys()
    best = f"best validation_accuracy {rows['validation_accuracy'].max():.4g}"
    assert f"test: 4 done, 0 loaded, 0 failed, 0 diverged, {best} -> " in capsys.readouterr().out
    assert sweep.main([path]) == 0
    assert "test: 0 done, 4 loaded, 0 failed" in capsys.readouterr().out


def test_any_field_of_an_experiment_can_be_a_parameter(here):
    odd = {"odd": {"value": {"skip": 5, "stages": [[0.1, 0.0], [0.1, 0.0]]}}, "odd.l2_half": {"values": [False, True]}}
    rates = {"optimizer": {"value": "momentum"}, "optimizer_options.rho": {"values": [0, 1e-1]}}
    assert sweep.main([write(here, SMALL | odd | rates)]) == 0
    rows = pd.read_csv(here / "sweeps/test/table.csv")
    assert (
        list(rows["odd.l2_half"]) == [False, False, True, True] and list(rows["optimizer_options.rho"]) == [0, 0.1] * 2
    )
    asked = [store.load(key)["run"]["experiment"] for key in rows["key"]]
    assert [each["odd"]["l2_half"] for each in asked] == [False, False, True, True]
    assert [each["odd"]["skip"] for each in asked] == [5] * 4
    assert [each["optimizer_options"] for each in asked] == [[["rho", 0]], [["rho", 0.1]]] * 2


def test_a_failed_run_is_a_row_and_a_diverged_one_a_finding(here, monkeypatch, capsys):
    def train(experiments, *arguments):
        if experiments[0].batch_size == 7:
            raise ZeroDivisionError("on\npurpose")
        return real(experiments, *arguments)

    real = engine.train
    monkeypatch.setattr(engine, "train", train)
    path = write(here, SMALL | {"batch_size": {"values": [7, 10]}, "eta_max": {"values": [0.1, 1e8]}}, metric=METRIC)
    assert sweep.main([path]) == 1
    output = capsys.readouterr()
    assert (
        "failed: data=standin, n_s=4, cycles=1, log_every=4, batch_size=7, eta_max=0.1: ZeroDivisionError" in output.err
    )
    assert output.out.startswith("test: 2 done, 0 loaded, 2 failed, 1 diverged, best")
    rows = table(here)
    assert list(rows["status"]) == ["failed", "failed", "done", "diverged"]
    assert (
        rows["error"][0] == "ZeroDivisionError: on purpose"
        and rows["error"].isna().tolist() == [False] * 2 + [True] * 2
    )
    monkeypatch.setattr(engine, "train", real)
    assert sweep.main([path]) == 0
    assert "test: 2 done, 2 loaded, 0 failed, 2 diverged" in capsys.readouterr().out


def test_a_metric_that_runs_lack_is_told_at_the_first(here, capsys):
    assert sweep.main([write(here, SMALL)]) == 0, "a single run is a sweep too"
    path = write(here, SMALL | {"test": {"value": False}}, metric={"name": "test_accuracy", "goal": "maximize"})
    assert sweep.main([path]) == 2
    assert "metric test_accuracy: the runs give train_loss, train_cost" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["tpe", "narrow"])
def test_a_stopped_search_goes_on_to_the_same_trials(here, monkeypatch, capsys, method):
    path = write(here, SMALL | {"l2": L2}, method=method, trials=12, generation=4, metric=METRIC)
    assert sweep.main([path]) == 0
    whole = table(here)
    assert len(set(whole["l2"])) == 12
    shutil.rmtree(here / "results")
    generations, spread = [], engine.spread

    def stop(*arguments):
        generations.append(1)
        if len(generations) == 2:
            raise KeyboardInterrupt
        return spread(*arguments)

    monkeypatch.setattr(engine, "spread", stop)
    assert sweep.main([path]) == 3
    assert "sweep: stopped; 4 done, 0 loaded, 0 failed" in capsys.readouterr().err
    pd.testing.assert_frame_equal(table(here), whole[:4], check_dtype=False)
    assert sweep.main([path]) == 0
    assert "8 done, 4 loaded" in capsys.readouterr().out
    pd.testing.assert_frame_equal(table(here), whole)


# ---------------------------------------------------------------- processes, killed

HARD = {"data": {"value": "standin"}, "n_train": {"value": 300}, "n_s": {"value": 400}, "cycles": {"value": 1}}
HARD |= {"hidden": {"values": [[50], [40], [30], [20], [10], [5]]}, "l2": {"values": [0.0, 1e-3]}}
NOTEBOOK = """import matplotlib.pyplot as plt
from workbook.runs import store
from workbook.runs.engine import run
from workbook.runs.experiment import Experiment, vary
from workbook.report import record, show_figure
if l2 > 1:
    raise ValueError("on purpose")
results = run(vary(Experiment(data=data, n_train=300, n_s=5, cycles=1, l2=l2), seed=range(seeds)))
store.write(store.REPORTS / "note.txt", "what the report is made of")
fig, _ = plt.subplots()
show_figure(fig, "overwritten", "A figure.")
record(accuracy=results[0].scores["test_accuracy"], runs=len(results), limit=float("nan") if l2 == 0 else 1)"""


@pytest.fixture(scope="module")
def checkouts(tmp_path_factory):
    """Two checkouts of the project with the same sweeps: their own results each."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    for folder in folders:
        for package in ("lib", "workbook"):
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Makefile", folder)
        write(folder, HARD, name="hard", metric=METRIC)
        write(folder, HARD | {"hidden": {"value": [9]}}, name="easy")
        space = {"l2": {"values": [0.0, 1e-4, 1e-3, 2.0]}, "seeds": {"value": 2}}
        write(folder, space, name="books", run="book.ipynb", metric={"name": "accuracy", "goal": "maximize"})
        head = new_code_cell('data = "standin"\nl2 = 0.1\nseeds = 1', metadata={"tags": ["parameters"]})
        book = new_notebook(cells=[head, new_code_cell(NOTEBOOK)])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, folder / "book.ipynb")
    return folders


@pytest.fixture(scope="module")
def workers(checkouts, tmp_path_factory):
    """A scheduler where importing the project is an error, and two ``make workers`` in the second checkout."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for package in ("lib", "workbook"):
        (elsewhere / f"{package}.py").write_text("raise SystemExit('the scheduler has imported the project')")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    make = ["make", "workers", f"SCHEDULER={address}", "WORKERS=1", f"PY={sys.executable}"]
    commands = [([sys.executable, "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", str(port)], elsewhere)]
    commands += [(make, checkouts[1])] * 2
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(started(command, folder)) for command, folder in commands]
        yield address, processes


@contextlib.contextmanager
def started(command, folder, **environment):
    """A process of its own group, which is killed at the end."""
    environment = {k: v for k, v in os.environ.items() if k != "SCHEDULER"} | environment
    how = (
        {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if "workbook.runs.sweep" in command
        else {"stdout": -3, "stderr": -3}
    )
    how["preexec_fn"] = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's "&" has it ignored
    process = subprocess.Popen(command, cwd=folder, env=environment, text=True, start_new_session=True, **how)
    try:
        yield process
    finally:
        kill(process)


def kill(process):
    """kill -9 a process and its children, as a host dies."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def driver(folder, name="hard", **environment):
    """A started ``python -m workbook.runs.sweep``."""
    return started([sys.executable, "-m", "workbook.runs.sweep", f"{name}.yaml"], folder, **environment)


def finish(process):
    """Its exit status, output and error output."""
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def wait_for_results(folder, process, more_than=0):
    """Wait until results are there; return the modification time of each."""
    for _ in range(18_000):
        results = {p.name: p.stat().st_mtime_ns for p in (folder / "reports/results").glob("[!.]*.json")}
        if len(results) > more_than:
            assert process.poll() is None, "too late to interrupt"
            return results
        assert process.poll() is None, finish(process)
        time.sleep(0.01)
    raise TimeoutError


@pytest.fixture(scope="module")
def local(checkouts):
    """The sweep on a local cluster, Ctrl-C after the second pass, SIGTERM after one more, and to its end."""
    stopped, stored = [], [2]
    for signum in (signal.SIGINT, signal.SIGTERM):
        with driver(checkouts[0]) as process:
            wait_for_results(checkouts[0], process, more_than=stored[-1])
            os.killpg(process.pid, signum) if signum == signal.SIGINT else process.send_signal(signum)
            stopped.append(finish(process))
        stored.append(len(list((checkouts[0] / "reports/results").glob("[!.]*.json"))))
    partial = table(checkouts[0] / "reports", "hard")
    with driver(checkouts[0]) as process:
        return stopped, stored[1:], partial, finish(process), table(checkouts[0] / "reports", "hard")


def test_ctrl_c_keeps_what_is_finished(local):
    stopped, stored, partial, (again, output, _), whole = local
    for status, _, errors in stopped:
        assert status == 3 and "Traceback" not in errors
        assert "sweep: stopped; " in errors and errors.endswith(" stored; the same command goes on\n")
    assert f" done, {stored[0]} loaded, 0 failed, 0 diverged" in stopped[1][2]
    assert stored[0] <= len(partial) <= stored[1] < 12
    assert again == 0 and f"{12 - stored[1]} done, {stored[1]} loaded" in output
    assert len(whole) == 12 and set(whole["status"]) == {"done"}


def test_notebooks_side_by_side_and_one_fails(checkouts, workers):
    """The kernels train: in themselves, although the workers' environment names the cluster."""
    with driver(checkouts[1], "books", SCHEDULER=workers[0]) as process:
        status, output, errors = finish(process)
    assert status == 1, errors
    assert (
        output.startswith("books: 3 done, 0 loaded, 1 failed, 1 diverged, best accuracy ") and output.count("\n") == 1
    )
    folder = checkouts[1] / "reports/sweeps/books"
    rows = pd.read_csv(folder / "table.csv")
    assert list(rows["status"]) == ["diverged", "done", "done", "failed"] and list(rows["runs"][:3]) == [2] * 3
    assert rows["accuracy"][:3].between(0, 1).all() and np.isnan(rows["limit"][0])
    said = "cell 2 failed at 'raise ValueError(\"on purpose\")': ValueError: on purpose (see failed/"
    assert rows["error"][3].startswith(f"{rows['key'][3]}, {said}")
    assert f"failed: l2=2.0, seeds=2: {rows['error'][3]}" in errors
    assert (folder / "failed" / f"{rows['key'][3]}.ipynb").exists()
    assert not (checkouts[1] / "reports/note.txt").exists() and not (checkouts[1] / "figures").exists()
    executed = json.loads((folder / f"{rows['key'][1]}.ipynb").read_text())
    assert "l2 = 0.0001" in "".join(executed["cells"][1]["source"])
    with driver(checkouts[1], "books", SCHEDULER=workers[0]) as process:
        assert finish(process)[1].startswith("books: 0 done, 3 loaded, 1 failed")


def test_a_worker_of_other_code_is_refused(checkouts, workers, tmp_path):
    for package in ("lib", "workbook"):
        shutil.copytree(checkouts[0] / package, tmp_path / package)
    shutil.copy(checkouts[0] / "easy.yaml", tmp_path)
    with open(tmp_path / "lib/nn/layers.py", "a") as file:
        file.write("CHANGED = True\n")
    with driver(tmp_path, "easy", SCHEDULER=workers[0]) as process:
        status, _, errors = finish(process)
    assert status == 2
    assert errors.splitlines()[-1].startswith("sweep: worker on ")
    assert "its lib/nn and the driver's differ; give it the same files and restart it" in errors


def test_killed_workers_and_drivers_cost_nothing_finished(checkouts, workers, local):
    address, (_, _, worker) = workers
    results = checkouts[1] / "reports/results"
    shutil.rmtree(results, ignore_errors=True)  # of the notebooks
    with driver(checkouts[1], SCHEDULER=address) as process:
        wait_for_results(checkouts[1], process)
        kill(process)
    stored = {p.name: p.stat().st_mtime_ns for p in results.glob("[!.]*.json")}
    with driver(checkouts[1], SCHEDULER=address) as process:
        wait_for_results(checkouts[1], process, more_than=len(stored))
        kill(worker)
        status, output, errors = finish(process)
    assert status == 0, errors
    assert f"hard: {12 - len(stored)} done, {len(stored)} loaded, 0 failed" in output
    assert stored.items() <= {p.name: p.stat().st_mtime_ns for p in results.glob("*.json")}.items()
    pd.testing.assert_frame_equal(table(checkouts[1] / "reports", "hard"), local[4])


def test_without_its_scheduler_a_sweep_stops_and_can_go_on(checkouts, workers):
    write(checkouts[1], HARD | {"l2": {"values": [0.01, 0.1]}}, name="late")
    before = len(list((checkouts[1] / "reports/results").glob("[!.]*.json")))
    with driver(checkouts[1], "late", SCHEDULER=workers[0]) as process:
        wait_for_results(checkouts[1], process, more_than=before)
        kill(workers[1][0])
        status, _, errors = finish(process)
    assert status == 3 and "Traceback" not in errors
    last = errors.splitlines()[-1]
    assert last.startswith("sweep: the scheduler is gone; ") and last.endswith(" stored; the same command goes on")
