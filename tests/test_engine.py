"""Runs are trained once, stored at once, independent of their company; what goes wrong is told and costs no other."""

import functools
import math
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from threading import Event
from types import SimpleNamespace

import nbformat
import numpy as np
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from workbook.runs import cluster, engine, store
from workbook.runs import progress as progress_module
from workbook.runs.experiment import Experiment, key, make, vary
from workbook.runs.progress import Progress

SMALL = Experiment(data="standin", n_s=4, cycles=1, hidden=(6,), log_every=4, sample=50)


@pytest.fixture(autouse=True)
def here(tiny, monkeypatch):
    """The small images, and a worker inside this process."""
    monkeypatch.setenv("SCHEDULER", cluster.IN_PROCESS)


def result_file(experiment=SMALL):
    return store.RESULTS / f"{key(experiment)}.json"


def test_trains_what_is_missing_and_loads_the_rest(capsys):
    first = engine.run(vary(SMALL, seed=[1]))
    results = engine.run(vary(SMALL, seed=[0, 1, 2, 1]))
    assert "3 runs: 1 loaded, 2 trained, " in capsys.readouterr().err
    assert [r.experiment.seed for r in results] == [0, 1, 2, 1]
    assert results[1] == results[3] == first[0]
    assert {path.stem for path in store.RESULTS.glob("*.json")} == {r.key for r in results}
    assert engine.run_groups({"a": vary(SMALL, seed=[2]), "b": vary(SMALL, seed=[0, 1])}) == {
        "a": results[2:3],
        "b": results[:2],
    }
    assert "3 runs: 3 loaded, 0 trained, " in capsys.readouterr().err


def test_a_truncated_result_is_trained_again(capsys):
    (before,) = engine.run([SMALL])
    path = result_file()
    path.write_text(path.read_text()[:-20])
    (after,) = engine.run([SMALL])
    assert "0 loaded, 1 trained, " in capsys.readouterr().err.splitlines()[-1], "and is not stale"
    assert (after.curves, after.scores) == (before.curves, before.scores)


def test_a_result_by_other_code_is_stale(capsys):
    engine.run([SMALL])
    store.save(f"{key(SMALL).split('-')[0]}-00000000", store.load(key(SMALL)))
    result_file().unlink()
    engine.run(vary(SMALL, seed=[0, 1]))
    assert "2 runs: 0 loaded, 2 trained (1 of them stale: stored by" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(("name", "value"), [("l2", 0.01), ("split", "gone"), ("momentum", 0.9)])
def test_a_result_by_other_defaults_is_stale(capsys, name, value):
    """What was asked for then is stored in full: it had another default, or a value or a field that is gone."""
    (before,) = engine.run([SMALL])
    record = store.load(key(SMALL))
    record["run"]["experiment"][name] = value
    store.save(key(SMALL), record)
    assert engine.run([SMALL])[0].scores == before.scores
    assert "0 loaded, 1 trained (1 of them stale" in capsys.readouterr().err
    engine.run([SMALL])
    assert "1 loaded, 0 trained, " in capsys.readouterr().err


def test_a_result_from_before_a_field_was_added_is_loaded(capsys):
    engine.run([SMALL])
    record = store.load(key(SMALL))
    del record["run"]["experiment"]["bias_std"], record["run"]["experiment"]["odd"]["skip"]
    store.save(key(SMALL), record)
    engine.run([SMALL])
    assert "1 loaded, 0 trained, " in capsys.readouterr().err


def test_a_result_does_not_depend_on_its_company(monkeypatch, tmp_path):
    every = vary(replace(SMALL, batch_norm=True), seed=range(6), l2=[0, 1e-4, 1e-3, 1e-2, 0.1, 100.0])
    together = engine.run(every)
    assert {r.run["trials"] for r in together} == {6}
    monkeypatch.setattr(store, "RESULTS", tmp_path / "alone")
    alone = [engine.run([e])[0] for e in every]
    assert [(r.curves, r.scores) for r in together] == [(r.curves, r.scores) for r in alone]


def test_weights_are_read_when_they_are_asked_for():
    """Those of a diverged network hold NaN."""
    good, bad = engine.run(vary(replace(SMALL, keep_weights=True), eta_max=[0.1, 1e8]))
    assert good.weights.shape == (3072, 6) and np.isfinite(good.weights).all()
    assert (good.diverged, bad.diverged) == (False, True)
    assert np.isnan(bad.weights).any() and math.isnan(bad.scores["test_loss"])
    assert "weights" not in vars(good), "lists of 3072 rows of floats would fill the memory"


def test_a_failed_pass_is_named_and_the_others_are_kept(monkeypatch, capsys):
    def train(experiments, *arguments):
        if experiments[0].batch_size == 7:
            raise ZeroDivisionError("on purpose")
        return real(experiments, *arguments)

    real = engine.train
    monkeypatch.setattr(engine, "train", train)
    every = [replace(SMALL, batch_size=7), *vary(SMALL, seed=range(3))]
    with pytest.raises(cluster.RunError, match=r"1 of 4 runs failed.*batch_size=7.*ZeroDivisionError.*on purpose") as e:
        engine.run(every)
    assert "\n" not in str(e.value) and isinstance(e.value.__cause__, ZeroDivisionError)
    monkeypatch.setattr(engine, "train", real)
    engine.run(every)
    assert "4 runs: 3 loaded, 1 trained" in capsys.readouterr().err


def test_a_pass_is_stored_while_the_next_one_trains(monkeypatch):
    first, second = replace(SMALL, cycles=2), SMALL  # the longest is first

    def train(experiments, *arguments):
        deadline = time.monotonic() + 10
        while experiments == [second] and store.load(key(first)) is None:
            assert time.monotonic() < deadline, "not stored"
            time.sleep(0.01)
        return real(experiments, *arguments)

    real = engine.train
    monkeypatch.setattr(engine, "train", train)
    engine.run([second, first])


def test_a_worker_with_other_code_or_data_is_refused():
    engine.require({"lib/nn": "a", "data": "b"}, {"lib/nn": "a", "data": "b"})
    with pytest.raises(cluster.ClusterError, match="its lib/nn and data and the driver's differ; give it the same"):
        engine.require({"lib/nn": "a", "data": "b"}, {"lib/nn": "x", "data": "y"})


def test_a_worker_without_data_is_refused(monkeypatch, tiny):
    monkeypatch.setattr(engine, "_pass", no_data)
    with pytest.raises(cluster.ClusterError, match=r"worker on .*: no CIFAR-10 here"):
        engine.run([SMALL])


def no_data(experiments, version, report):
    """In the place of a pass."""
    raise engine.data.DataError("no CIFAR-10 here")


def test_no_scheduler_is_one_clear_line(monkeypatch):
    def nobody(address, timeout):
        raise TimeoutError("30 lines of Dask's")

    monkeypatch.setenv("SCHEDULER", "tcp://nobody:8786")
    monkeypatch.setattr("distributed.Client", nobody)
    with pytest.raises(cluster.ClusterError, match=r"tcp://nobody:8786: no Dask scheduler .*make scheduler"):
        cluster.connect.__wrapped__()


def test_progress_counts_what_a_person_wants_to_know():
    result = engine.Result(SMALL, "k", False, {}, {"loss": 0.5}, {})
    progress = Progress(6, "title", "loss", "minimize")
    for outcome, loaded in [
        (result, True),
        (replace(result, scores={"loss": 0.25}), False),
        (replace(result, diverged=True, scores={"loss": 0.0}), False),
        (ValueError(), False),
    ]:
        assert progress.note(outcome, loaded) is outcome
    assert str(progress) == "2 done, 1 loaded, 1 failed, 1 diverged, best loss 0.25"
    progress.partly("job", 1.4)
    assert re.search(r"^title ▕█+ *▏ 5 of 6, .*best loss 0.25$", progress.line(100))
    progress.partly("job", 0)  # its worker died
    assert " 4 of 6" in progress.line(100)


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_a_line_of_progress_fits_and_has_its_bar(width):
    """What is most important comes first; what does not fit is left out as a whole."""
    progress = Progress(27, "runs")
    progress.note(engine.Result(SMALL, "k", False, {}, {"validation_accuracy": 0.512345}, {}))
    progress.say("18 in training")
    line = progress.line(width)
    assert len(line) < width and line.startswith("runs ▕          ▏ 1 of 27")
    assert ("best 51.23 %" in line) == (width >= 80) and not line.endswith(",")


def test_the_time_left_follows_from_the_work(monkeypatch):
    """Two runs of ten are trained after 10 s, half of the work of those that were asked for; the others are alike."""
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    progress = Progress(10, "runs")
    progress.say("", work=400.0, runs=4)
    assert progress.left is None
    now[0] = 10.0
    for _ in range(2):
        progress.note(engine.Result(SMALL, "k", False, {}, {}, {}))
    progress.say("", work=200.0, runs=2)
    assert progress.left == pytest.approx(40)


def test_a_log_gets_a_line_a_minute_and_none_in_the_first_second(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    progress = Progress(3, "runs")
    for now[0] in range(0, 150, 5):
        progress.say("2 in training")
    lines = capsys.readouterr().err.splitlines()
    assert [re.search(r"\d:\d\d", line)[0] for line in lines] == ["0:05", "1:05", "2:05"] and "\r" not in str(lines)


def test_jupyterlab_gets_one_bar_that_gives_way_to_the_outcome(monkeypatch, capsys):
    """Not the red box of stderr."""
    shown = []
    handle = SimpleNamespace(update=lambda data, raw: shown.append(data["text/html"]))
    monkeypatch.setattr(progress_module, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, **how: shown.append(data["text/html"]) or handle)
    engine.run([SMALL])
    assert shown[0].startswith('<progress value="0" max="1"></progress> runs') and "loads what is stored" in shown[0]
    assert re.fullmatch(r"<small>1 runs: 0 loaded, 1 trained, .* s</small>", shown[-1])
    assert capsys.readouterr().err == ""


# Stopping


def test_an_interrupted_run_says_what_is_stored_in_one_line(monkeypatch, request):
    """What is in training then ends at its next report."""
    ended = Event()

    def train(experiments, dataset, progress):
        os.kill(os.getpid(), signal.SIGINT)
        try:
            while True:
                progress(1)
                time.sleep(0.1)
        finally:
            ended.set()

    engine.run([replace(SMALL, cycles=2)])
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" has it ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, ours))
    real = engine.train
    monkeypatch.setattr(engine, "train", train)
    with pytest.raises(cluster.Interrupted) as stop:
        engine.run([SMALL, replace(SMALL, cycles=2)])
    assert str(stop.value) == "interrupted, 1 of 2 stored; run again to go on"
    assert stop.value._render_traceback_() == [str(stop.value)], "what a notebook shows"
    assert isinstance(stop.value, KeyboardInterrupt) and ended.wait(30)
    monkeypatch.setattr(engine, "train", real)
    engine.run([SMALL])


def test_a_single_experiment_is_a_list_of_one():
    assert engine.run(SMALL) == engine.run([SMALL])
    assert engine.run_groups({"a": SMALL}) == {"a": engine.run([SMALL])}
    with pytest.raises(TypeError, match=r"run takes Experiments, such as vary\(course, .*, and got 'text'"):
        engine.run(["text"])


def test_old_results_are_trained_again_where_fresh_ones_are_wanted(monkeypatch, capsys):
    engine.run([SMALL])
    monkeypatch.setenv("WORKBOOK_FRESH", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + 1)))
    time.sleep(1.1)
    engine.run([SMALL])
    assert "0 loaded, 1 trained, " in capsys.readouterr().err.splitlines()[-1]
    engine.run([SMALL])
    assert "1 loaded, 0 trained, " in capsys.readouterr().err.splitlines()[-1]


# On the local cluster: one process a core

DRIVER = """
import os, pathlib, sys, time
from workbook.runs import cluster, store
from workbook.runs.passes import Queue
from workbook.runs.progress import Progress

store.RESULTS = pathlib.Path("results")

def work(n, report):
    (store.RESULTS / f"{os.getpid()}").touch()
    if n == 3:
        os.kill(os.getpid(), 9)
    report(0.5)
    time.sleep(0.2)
    return n * n

if __name__ == "__main__":
    import driver
    queue = Queue({n: n for n in range(8)}, alike=str, cost=lambda n: 1.0, most=lambda n: 1)
    for keys, outcome in cluster.spread(driver.work, queue, lambda keys: keys, Progress(8, "test")):
        print(*keys, outcome, flush=True)
"""


@pytest.fixture
def driver(tmp_path):
    """A started process that spreads eight jobs over the cores, of which the fourth kills its worker."""
    (tmp_path / "driver.py").write_text(DRIVER)
    environment = {name: value for name, value in os.environ.items() if name != "SCHEDULER"}
    environment |= {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0", "PYTHONPATH": str(store.ROOT)}
    how = {"cwd": tmp_path, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "driver.py"], start_new_session=True, **how) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def test_only_the_killer_of_its_workers_fails(driver, tmp_path):
    """One death is enough here to condemn what is on a worker; its neighbours must get another chance."""
    output, errors = driver.communicate(timeout=120)
    lines = sorted(output.splitlines())
    assert [line for line in lines if line[0] != "3"] == [f"{n} {n * n}" for n in range(8) if n != 3], errors
    assert lines[3] == "3 it killed each worker that tried it (out of memory?)"
    assert not list((tmp_path / "results").glob(".work-*")), "it leaves no announcement behind"


def test_the_local_cluster_gives_the_same_results(monkeypatch, capsys, tmp_path):
    """The workers read the real stand-in, so this experiment is trained on it in this process too."""
    monkeypatch.undo()
    experiment = make({"data": "standin", "n_train": 200, "n_s": 4, "cycles": 1, "log_every": 4, "hidden": [6]})
    results = []
    for scheduler in (cluster.IN_PROCESS, ""):
        monkeypatch.setattr(store, "RESULTS", tmp_path / (scheduler or "local"))
        monkeypatch.setenv("SCHEDULER", scheduler)
        cluster.connect.cache_clear()
        results.append(engine.run(vary(experiment, seed=range(3))))
        cluster.connect().shutdown()
    cluster.connect.cache_clear()
    assert [(r.scores, r.curves) for r in results[0]] == [(r.scores, r.curves) for r in results[1]]
    assert {r.run["trials"] for r in results[0]} == {3}


LONG = """import pathlib
from workbook.runs import store
from workbook.runs.engine import run
from workbook.runs.experiment import Experiment, vary
store.RESULTS = pathlib.Path({results!r})
long = Experiment(data="standin", n_train=300, n_s=10**6, cycles=1, sample=100, log_every=50)
run(vary(long, seed=range(2)))"""


def test_ctrl_c_ends_a_notebook_and_its_workers_at_once(tmp_path):
    """In the terminal that executes it: no process is left, one line, no traceback."""
    cells = [new_code_cell("", metadata={"tags": ["parameters"]}), new_code_cell(LONG.format(results=str(tmp_path)))]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "long.ipynb")
    environment = {name: value for name, value in os.environ.items() if name != "SCHEDULER"}
    environment |= {"WORKBOOK_PROGRESS": str(tmp_path), "PYTHONPATH": str(store.ROOT)}
    command = [
        sys.executable,
        "-m",
        "workbook.report",
        "execute",
        tmp_path / "long.ipynb",
        "-o",
        tmp_path / "out.ipynb",
    ]
    default = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's "&" has it ignored
    how = {"cwd": store.ROOT, "env": environment, "stderr": subprocess.PIPE, "text": True, "preexec_fn": default}
    with subprocess.Popen(command, **how) as process:
        while not ((tmp_path / "out.json").exists() and "in training" in (tmp_path / "out.json").read_text()):
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        time.sleep(1)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs([each for each in children if "spawn_main" in str(each.cmdline())], timeout=20)
        _, errors = process.communicate(timeout=20)
    assert not alive and process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted, 0 of 2 stored; run again to go on" and "Traceback" not in errors
