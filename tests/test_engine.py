"""Runs are trained once, stored at once, independent of their company; what goes wrong is told and costs no other."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from workbook.runs import cores, engine, store
from workbook.runs import experiment as experiments
from workbook.runs.experiment import Experiment, key, vary
from workbook.runs.progress import Progress

SMALL = Experiment(data="standin", n_s=4, cycles=1, hidden=(6,), log_every=4, sample=50)


@pytest.fixture(autouse=True)
def here(tiny, monkeypatch):
    """The small images, and a worker inside this process."""
    monkeypatch.setenv("SCHEDULER", "inproc")


def test_trains_what_is_missing_and_loads_the_rest(capsys):
    first = engine.run(vary(SMALL, seed=[1]))
    results = engine.run(vary(SMALL, seed=[0, 1, 2, 1]))
    assert "3 runs: 1 loaded, 2 trained, " in capsys.readouterr().err
    assert [r.experiment.seed for r in results] == [0, 1, 2, 1]
    assert results[1] == results[3] == first[0]
    assert len(list(store.RESULTS.iterdir())) == 3
    engine.run(vary(SMALL, seed=[0, 1, 2]))
    assert "3 runs: 3 loaded, 0 trained, " in capsys.readouterr().err


def test_a_truncated_result_is_trained_again(capsys):
    (before,) = engine.run([SMALL])
    path = store.RESULTS / f"{key(SMALL)}.json"
    path.write_text(path.read_text()[:-20])
    (after,) = engine.run([SMALL])
    assert "0 loaded, 1 trained" in capsys.readouterr().err.splitlines()[-1]
    assert (after.curves, after.scores) == (before.curves, before.scores)


def test_results_of_other_code_are_announced(capsys):
    engine.run([SMALL])
    path = store.RESULTS / f"{key(SMALL)}.json"
    path.rename(store.RESULTS / f"{key(SMALL).split('-')[0]}-00000000.json")
    engine.run(vary(SMALL, seed=[0, 1]))
    assert "0 loaded, 2 trained (1 of them were stale: trained by other num" in capsys.readouterr().err.splitlines()[-1]


def test_only_trial_fields_share_a_pass():
    wide = replace(SMALL, hidden=(50, 50), batch_norm=True)
    every = [*vary(SMALL, seed=range(3), l2=[0.1, 0.2, 0.3]), *vary(wide, seed=range(40)), replace(SMALL, cycles=2)]
    passes = engine.passes(every, workers=1)
    assert sorted(map(len, passes)) == [1, 3, 8, 8, 8, 8, 8]  # 44 would be one pass a worker, 9 is the most
    assert {len({experiments.shared(e) for e in p}) for p in passes} == {1}
    assert passes[0][0].hidden == (50, 50) and len(passes[0]) == 8, "the longest first"
    assert [len(p) for p in engine.passes(vary(SMALL, seed=range(12)), workers=3)] == [4] * 3


def test_a_result_does_not_depend_on_its_company(monkeypatch, tmp_path):
    every = vary(replace(SMALL, batch_norm=True), seed=range(6), l2=[0, 1e-4, 1e-3, 1e-2, 0.1, 100.0])
    together = engine.run(every)
    assert {r.run["trials"] for r in together} == {6}
    monkeypatch.setattr(store, "RESULTS", tmp_path / "alone")
    alone = [engine.run([e])[0] for e in every]
    assert [(r.curves, r.scores) for r in together] == [(r.curves, r.scores) for r in alone]


def test_a_failed_pass_is_named_and_the_others_are_kept(monkeypatch, capsys):
    def train(experiments, progress):
        if experiments[0].batch_size == 7:
            raise ZeroDivisionError("on purpose")
        return real(experiments, progress)

    real = engine.train
    monkeypatch.setattr(engine, "train", train)
    every = [replace(SMALL, batch_size=7), *vary(SMALL, seed=range(3))]
    with pytest.raises(
        engine.RunError, match=r"1 of 4 runs failed.*batch_size=7.*ZeroDivisionError.*on purpose"
    ) as error:
        engine.run(every)
    assert "\n" not in str(error.value) and isinstance(error.value.__cause__, ZeroDivisionError)
    monkeypatch.setattr(engine, "train", real)
    engine.run(every)
    assert "4 runs: 3 loaded, 1 trained" in capsys.readouterr().err


def test_a_pass_is_stored_while_the_next_one_trains(monkeypatch):
    first, second = replace(SMALL, cycles=2), SMALL  # the longest is first

    def train(experiments, progress):
        deadline = time.monotonic() + 10
        while experiments == [second] and store.load(key(first)) is None:
            assert time.monotonic() < deadline, "not stored"
            time.sleep(0.01)
        return real(experiments, progress)

    real = engine.train
    monkeypatch.setattr(engine, "train", train)
    engine.run([first, second])


def test_a_diverged_run_is_a_result():
    good, bad = engine.run(vary(SMALL, eta_max=[0.1, 1e8]))
    assert (good.diverged, bad.diverged) == (False, True)


def test_a_worker_with_other_code_or_data_is_refused():
    engine.require({"lib/": "a", "data": "b"}, {"lib/": "a", "data": "b"})
    with pytest.raises(engine.ClusterError, match="its lib/ and data and the driver's differ; give it the same files"):
        engine.require({"lib/": "a", "data": "b"}, {"lib/": "x", "data": "y"})


def test_a_worker_without_data_is_refused(monkeypatch, tiny):
    monkeypatch.setattr(engine, "_pass", no_data)
    with pytest.raises(engine.ClusterError, match=r"worker on .*: no CIFAR-10 here"):
        engine.run([SMALL])


def no_data(experiments, version, report):
    """In the place of a pass."""
    raise engine.data.DataError("no CIFAR-10 here")


def test_no_scheduler_is_one_clear_line(monkeypatch):
    def nobody(address, timeout):
        raise TimeoutError("30 lines of Dask's")

    monkeypatch.setenv("SCHEDULER", "tcp://nobody:8786")
    monkeypatch.setattr("distributed.Client", nobody)
    with pytest.raises(engine.ClusterError, match=r"tcp://nobody:8786: no Dask scheduler .*make scheduler"):
        engine.connect.__wrapped__()


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
    progress.partly("job", 1.5)
    assert progress.bar.n == 5.5
    progress.partly("job", 0)  # its worker died
    assert progress.bar.n == 4 and progress.bar.initial == 1


KILLER = """
import os, sys
from workbook.runs import engine
from workbook.runs.progress import Progress
def work(n, report):
    if n == 3:
        os.kill(os.getpid(), 9)
    return n * n
if __name__ == "__main__":
    import killer
    for n, outcome in sorted(engine.spread(killer.work, {n: (n,) for n in range(8)}, Progress(8, "test"))):
        print(n, outcome)
"""


def test_only_the_killer_of_its_workers_fails(tmp_path):
    """One death is enough here to condemn what is on a worker; its neighbours must get another chance."""
    (tmp_path / "killer.py").write_text(KILLER)
    environment = {name: value for name, value in os.environ.items() if name != "SCHEDULER"}
    environment |= {
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
        "PYTHONPATH": str(Path(engine.__file__).parents[1]),
    }
    process = subprocess.run(
        [sys.executable, "killer.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    lines = process.stdout.splitlines()
    assert [line for line in lines if line[0] != "3"] == [f"{n} {n * n}" for n in range(8) if n != 3], process.stderr
    assert lines[3] == "3 it killed each worker that tried it (out of memory?)"


def test_processes_of_a_checkout_share_its_cores(tmp_path, monkeypatch):
    """On a cluster, or in this process, they need not."""
    monkeypatch.setattr(engine.store, "RESULTS", tmp_path)
    monkeypatch.setattr("dask.system.CPU_COUNT", 2)
    monkeypatch.delenv("SCHEDULER", raising=False)
    locks = cores.locks()
    assert len(locks) == 2
    code = f"import time; from lib import cores\nwith cores.one_of({locks}): print(time.time(), flush=True); input()"

    def other():
        return subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=store.ROOT, text=True
        )

    with other() as first:
        first.stdout.readline()  # it has one core, we take the other
        with cores.one_of(locks), other() as second:
            time.sleep(2)
            released = time.time()
            first.kill()  # its lock ends with it
            assert float(second.stdout.readline()) > released
            second.communicate("\n", timeout=10)
    monkeypatch.setenv("SCHEDULER", "inproc")
    assert cores.locks() == []
    with cores.one_of([]):
        pass
