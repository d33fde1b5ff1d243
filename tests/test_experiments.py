"""Experiments: what is refused, what a key depends on, which runs share a pass; the store that keeps results."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import numpy as np
import pytest

from lib import data
from workbook.runs import engine, store
from workbook.runs import experiment as experiments
from workbook.runs.experiment import TRIAL_FIELDS, Experiment, code_version, key, shared, vary
from workbook.runs.profiles import caveat, setting

FIELDS = [f.name for f in fields(Experiment)]

#: a short run, of a schedule that needs ``updates``, so that every field can be changed alone
BASE = Experiment(
    data="standin", hidden=(9, 8), schedule="constant", updates=12, batch_size=50, log_every=5, sample=100, n_s=6
)
SHORT = replace(BASE, schedule="cyclical", updates=None, cycles=1)

#: what the quick profile may change: lengths and numbers of images
QUICK_FIELDS = ("n_train", "sample", "n_s", "updates", "decay_every", "log_every", "cycles")

#: another value of the fields for which ``other`` cannot make one up
OTHER = {
    "data": "cifar10",
    "split": "B1B2",
    "normalisation": "raw",
    "n_train": 300,
    "n_validation": 60,
    "augment": (("flip", 0.5),),
    "hidden": (9,),
    "loss": "hinge",
    "bn_statistics": "set",
    "init": "xavier",
    "optimizer": "momentum",
    "schedule": "linear",
    "stages": ((0.1, 0.001),),
    "diverged_factor": 3.0,
}


def other(name):
    """Return an allowed value of a field that is not the one of BASE."""
    value = getattr(BASE, name)
    if isinstance(value, bool):
        return not value
    return OTHER[name] if name in OTHER else value + 1 if isinstance(value, int) else (value + 0.5) / 2


# What is refused


@pytest.mark.parametrize("name", FIELDS)
def test_nonsense_is_refused_by_name_with_what_is_allowed(name):
    with pytest.raises(ValueError, match=rf"^{name} must be \S.*, got .*n.*o.*n.*s"):
        replace(BASE, **{name: "nonsense"})


IMPOSSIBLE = [
    ("seed", -1), ("seed", 1.0), ("seed", True), ("batch_size", 1), ("cycles", 0), ("n_s", 0), ("n_s", 2.5),
    ("n_train", 0), ("n_train", "all"), ("hidden", (50, 0)), ("hidden", (50, 1.5)), ("hidden", (True,)), ("hidden", 50),
    ("l2", -1e-9), ("l2", math.nan), ("l2", math.inf), ("l2", None), ("l2", "1e-3"), ("eta_max", 0), ("eta_min", -1),
    ("eta_max", math.nan), ("bn_decay", 1), ("bn_decay", -0.1), ("bn_eps", -1), ("init", 0), ("init", "kaiming"),
    ("init", None), ("init", True), ("batch_norm", 2), ("batch_norm", None), ("batch_norm", 1), ("test", "yes"),
    ("log_every", 0), ("sample", 0), ("split", None), ("split", "45k5k"), ("data", "auto"), ("drop_rate", 1),
    ("momentum", 1), ("augment", (("turn", 1),)), ("stages", ((0, 0.1),)), ("augment", 3), ("stages", (1, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE, ids=[f"{name}={value!r}" for name, value in IMPOSSIBLE])
def test_impossible_values_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be .*got ") as caught:
        replace(SHORT, **{name: value})
    assert str(caught.value).endswith(repr(value))


def test_names_are_listed():
    with pytest.raises(ValueError, match=r"split must be one of 'B1B2', '45k5k_tail'.*, got 'b1b2'"):
        Experiment(split="b1b2")
    with pytest.raises(TypeError, match="lamda"):
        Experiment(lamda=0.1)


@pytest.mark.parametrize("sizes", [{"batch_size": 901}, {"n_train": 40}, {"n_train": 901}])
def test_what_the_data_cannot_give_is_refused(tiny, sizes):
    """There are 900 training images, and mini-batches of 50."""
    with pytest.raises(ValueError, match=r"batch_size|n_train"):
        experiments.train([replace(SHORT, **sizes)])


def test_an_experiment_is_frozen_and_can_be_a_key():
    with pytest.raises(FrozenInstanceError):
        SHORT.seed = 2
    assert {SHORT: 1}[replace(SHORT, hidden=[9, 8])] == 1  # a list, as in JSON, becomes a tuple


# Keys


@pytest.mark.parametrize("name", FIELDS)
def test_the_key_depends_on_every_field(tiny, name):
    changed = replace(BASE, **{name: other(name)})
    assert key(changed) != key(BASE)
    assert key(replace(changed, **{name: getattr(BASE, name)})) == key(BASE)


@pytest.mark.parametrize("values", [{"l2": 0}, {"init": 1}, {"augment": [["shift", 3]]}, {"stages": [[1, 0]]}])
def test_equal_experiments_have_equal_keys(tiny, values):
    """0 and 0.0 are the same number, written by hand, by a grid, or read from a file."""

    def as_float(v):
        return [as_float(e) for e in v] if isinstance(v, list) else float(v) if isinstance(v, int) else v

    whole, floats = replace(SHORT, **values), replace(SHORT, **{name: as_float(v) for name, v in values.items()})
    assert whole == floats and key(whole) == key(floats)


def test_the_key_depends_on_the_data(tiny, monkeypatch):
    before = key(SHORT)
    monkeypatch.setattr(data, "load", lambda name: replace(tiny, fingerprint="another"))
    assert key(SHORT) != before


@pytest.fixture
def lib_copy(tmp_path, monkeypatch):
    """A copy of lib/ whose code is hashed instead of this one's."""
    shutil.copytree(Path(experiments.__file__).parent, tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(experiments, "__file__", str(tmp_path / "lib" / "experiments.py"))
    return tmp_path / "lib"


def test_the_code_version_is_that_of_the_numerical_code(lib_copy):
    version = code_version.__wrapped__  # without its cache
    before = version()
    assert before == code_version() and len(before) == 8
    for name in experiments.NUMERICAL:
        file = lib_copy / f"{name}.py"
        text = file.read_text()
        file.write_text("# another comment\n\n\n" + text.replace('"""', '"""Told otherwise. ', 1))
        assert version() == before, f"{name}: comments and docstrings must not count"
        file.write_text(text.replace("return ", "return 0 * ", 1) if "return " in text else text + "x = 1")
        assert version() != before, f"{name}: code must count"
        file.write_text(text)
    (lib_copy / "plots.py").write_text("")
    assert version() == before


def test_all_code_that_training_imports_is_numerical():
    """Every module of lib that experiments imports, directly or not, and that can change a number."""
    script = "import sys, workbook.runs.experiment; print(*(m[4:] for m in sys.modules if m.startswith('lib.')))"
    imported = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    # the fingerprint stands for what data and standin do
    assert set(imported) - {"data", "standin"} == set(experiments.NUMERICAL)


# Passes


@pytest.mark.parametrize("name", FIELDS)
def test_only_trial_fields_may_differ_in_a_pass(tiny, name):
    changed = replace(BASE, **{name: other(name)})
    if name == "stages":  # as many of them
        assert shared(changed) == shared(replace(changed, stages=((0.2, 0.0),)))
    elif name in TRIAL_FIELDS:
        assert shared(changed) == shared(BASE)
    else:
        assert shared(changed) != shared(BASE)
        with pytest.raises(ValueError, match=r"may differ in seed, init.* only"):
            experiments.train([BASE, changed])


def test_passes_hold_every_experiment_once():
    """They share what a pass must, and there is work for every worker."""
    many = [e for b in (False, True) for e in vary(replace(SHORT, batch_norm=b), seed=range(21))]
    for workers in (1, 2, 8):
        passes = engine.passes(many, workers)
        assert sorted(map(many.index, (e for p in passes for e in p))) == list(range(42))
        assert all(len({shared(e) for e in p}) == 1 and len(p) <= engine.MOST_TRIALS for p in passes)
        assert len(passes) >= workers


RECIPES = {
    "plain": {},
    "BN": {"batch_norm": True},
    "BN after ReLU, from zero": {"batch_norm": True, "bn_after_relu": True, "bn_from_zero": True},
    "dropout and augmentation": {
        "drop_rate": 0.2,
        "augment": (("flip", 0.5), ("shift", 2), ("blur", 1), ("noise", 0.1)),
    },
    "momentum, hinge": {"optimizer": "momentum", "loss": "hinge"},
    "nesterov, sigmoid": {"optimizer": "nesterov", "loss": "sigmoid"},
    "adam": {"optimizer": "adam", "eta_max": 1e-3},
    "adagrad": {"optimizer": "adagrad", "eta_max": 1e-2},
    "exponential": {"schedule": "exponential", "updates": 12, "decay_every": 4},
    "random split, in order": {"split": "45k5k_random", "shuffle": False, "skip": 10},
    "best of the log points": {"keep_best": True, "batch_norm": True, "keep_weights": True},
    "two stages": {"stages": ((0.1, 0.01), (0.01, 0.0))},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_result_does_not_depend_on_its_pass(tiny, recipe):
    base = replace(SHORT, **recipe)
    trials = [base, replace(base, seed=1, init=0.02), replace(base, l2=0.1, eta_max=3 * base.eta_max)]
    together = experiments.train(trials)
    assert together == [experiments.train([e])[0] for e in trials]
    assert together != [together[0]] * 3
    assert json.loads(json.dumps(together)) == together  # plain numbers, lists, texts


def test_a_record_holds_curves_scores_and_the_test_only_where_asked(tiny):
    (record,) = experiments.train([SHORT])
    quantities = [f"{part}_{name}" for part in ("train", "validation") for name in ("loss", "cost", "accuracy")]
    assert set(record["curves"]) == {"update", "eta", *quantities}
    assert record["curves"]["update"] == [0, 5, 10, 12] and {len(c) for c in record["curves"].values()} == {4}
    assert set(record["scores"]) == {*quantities, "test_loss", "test_cost", "test_accuracy"}
    (blind,) = experiments.train([replace(SHORT, test=False)])
    assert set(blind["scores"]) == set(quantities) and blind["curves"] == record["curves"]


def test_a_diverged_trial_is_marked_and_can_be_stored(tiny):
    calm, wild = experiments.train([SHORT, replace(SHORT, eta_max=1e8)])
    assert (calm["diverged"], wild["diverged"]) == (False, True)
    store.save("0-0", wild)
    assert math.isnan(store.load("0-0")["scores"]["train_loss"])


#: what a field needs to make a difference, and its other value if not the usual one
NEEDS = {name: ({"batch_norm": True}, None) for name in FIELDS if name.startswith("bn_")} | {
    "momentum": ({"optimizer": "momentum"}, None),
    "eta_decay": ({"schedule": "exponential", "decay_every": 3}, None),
    "decay_every": ({"schedule": "exponential", "decay_every": 3}, None),
    "cycles": ({"schedule": "cyclical", "updates": None, "cycles": 1}, 2),
    "n_s": ({"schedule": "cyclical", "updates": None, "cycles": 1}, None),
    "eta_min": ({"schedule": "cyclical", "updates": None, "cycles": 1}, None),
    "skip": ({}, 800),
    "keep_best": ({"updates": 40, "eta_max": 0.5}, None),
    "diverged_factor": ({"eta_max": 1.0}, 2.0),
}


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "data"])
def test_every_field_changes_the_record(tiny, name):
    """None is ignored: what determines a run is a field, and what is a field determines it."""
    needs, value = NEEDS.get(name, ({}, None))
    base = replace(BASE, **needs)
    changed = replace(base, **{name: other(name) if value is None else value})
    assert experiments.train([changed]) != experiments.train([base])


def test_the_best_weights_are_those_of_the_best_log_point(tiny):
    (record,) = experiments.train([replace(BASE, keep_best=True, updates=40, eta_max=0.5)])
    logged = record["curves"]["validation_accuracy"][1:]
    assert record["scores"]["validation_accuracy"] == max(logged) > logged[-1]


def test_stages_go_on_from_each_other(tiny):
    """Two stages of the same rate are one of twice the length."""
    pair, longer = replace(BASE, stages=((0.1, 0.005),) * 2), replace(BASE, updates=24, eta_max=0.1, l2=0.005)
    assert pair.total_updates == longer.total_updates == 24
    (a,), (b,) = experiments.train([pair]), experiments.train([longer])
    assert a["scores"] == b["scores"] and a["curves"]["update"] == [0, 5, 10, 12, 17, 22, 24]
    (c,) = experiments.train([replace(BASE, stages=((0.1, 0.01), (0.01, 0.0)))])
    assert c["curves"]["eta"] == [0.1] * 4 + [0.01] * 3
    assert c["curves"]["train_cost"][-1] == c["curves"]["train_loss"][-1]  # the second has no penalty


def test_half_the_penalty_is_the_penalty_of_half_lambda(tiny):
    (a,), (b,) = (experiments.train([e]) for e in (replace(SHORT, l2=0.2, l2_half=True), replace(SHORT, l2=0.1)))
    assert a == b


def test_divergence_by_a_factor(tiny):
    loud = replace(BASE, eta_max=1.0)
    assert [experiments.train([e])[0]["diverged"] for e in (loud, replace(loud, diverged_factor=2.0))] == [False, True]


# Settings


def test_setting(tiny):
    assert setting("full", "standin") == Experiment(data="standin")
    quick = setting("quick", "auto")
    assert quick.total_updates < 1000 and quick.n_train < 10_000 and quick.data == "standin"
    assert quick == replace(setting("full", "auto"), **{name: getattr(quick, name) for name in QUICK_FIELDS})


def test_unknown_profiles_and_data_are_refused():
    with pytest.raises(ValueError, match=r"profile = 'fast', allowed: quick, full"):
        setting("fast", "standin")
    for function in (setting, caveat):
        with pytest.raises(ValueError, match=r"data = 'cifar' .*allowed: auto, cifar10, standin"):
            function("quick", "cifar")


def test_the_caveat_tells_what_is_not_the_real_thing(tiny, monkeypatch):
    assert "stand-in" in caveat("full", "auto") and "quick" not in caveat("full", "auto")
    assert "stand-in" in caveat("quick", "auto") and "quick" in caveat("quick", "auto")
    monkeypatch.setattr(data, "load", lambda name: replace(tiny, name="cifar10"))
    assert caveat("full", "auto") == "" and "stand-in" not in caveat("quick", "auto")
    assert "quick" in caveat("quick", "auto")


def test_vary():
    assert [e.seed for e in vary(SHORT, seed=range(3))] == [0, 1, 2]
    assert [(e.seed, e.l2) for e in vary(SHORT, seed=(1, 2), l2=(0.1, 0.2))] == [(1, 0.1), (2, 0.2)]
    with pytest.raises(ValueError, match="zip"):
        vary(SHORT, seed=(1, 2), l2=(0.1,))
    with pytest.raises(ValueError, match="seed"):
        vary(SHORT, seed=(1, -1))


# The store

RECORD = {
    "diverged": True,
    "curves": {"update": [0, 5], "train_loss": [2.302585092994046, math.nan], "eta": [1e-5, 0.1]},
    "scores": {"test_loss": math.inf, "test_accuracy": 0.1},
    "run": {"seconds": 1.5, "fingerprint": "f", "experiment": {"hidden": [50], "n_train": None, "test": True}},
}


def test_a_record_comes_back_as_it_was(tiny):
    """Infinity comes back as not-a-number; a setting that is None stays None."""
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


def test_weights_of_a_diverged_network_come_back_as_not_a_number(tiny):
    store.save("a-b", RECORD | {"weights": [[1.0, math.nan], [math.inf, 2.0]]})
    np.testing.assert_array_equal(np.array(store.load("a-b")["weights"], float), [[1, math.nan], [math.nan, 2]])


def test_a_damaged_file_is_no_result(tiny):
    store.save("a-b", RECORD)
    file = store.RESULTS / "a-b.json"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert store.load("a-b") is None, whole[:length]
    file.write_bytes(b"\xff" + whole)
    assert store.load("a-b") is None and store.current("b", "f") == []
    store.save("a-b", RECORD)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_killed_writer_leaves_no_result(tiny, moment):
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


def test_an_older_result_stays_until_the_new_one_is_whole(tiny, monkeypatch):
    store.save("a-b", RECORD)
    monkeypatch.setattr(os, "fsync", lambda number: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.save("a-b", {})
    assert store.load("a-b")["scores"]["test_accuracy"] == 0.1


def test_current_results_are_those_of_this_code_and_data(tiny):
    for name, fingerprint in (("1-new", "f"), ("2-new", "g"), ("3-old", "f"), ("4-new", "f")):
        store.save(name, {"name": name, "run": {"fingerprint": fingerprint}})
    assert [record["name"] for record in store.current("new", "f")] == ["1-new", "4-new"]


def test_a_result_by_other_code_is_stale(tiny):
    assert not store.is_stale("1-new")
    store.save("1-old", RECORD)
    assert store.is_stale("1-new") and not store.is_stale("2-new")
    store.save("1-new", RECORD)
    assert not store.is_stale("1-new")


# Running


def test_run_trains_what_is_missing_and_says_so(monkeypatch, tmp_path, capsys):
    """On the local cluster, with the stand-in; then again, with one result lost and one by other code."""
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    monkeypatch.delenv("SCHEDULER", raising=False)
    todo = [*vary(replace(SHORT, n_train=200), seed=range(3)), replace(SHORT, n_train=200, batch_norm=True)]
    first = engine.run(todo)
    assert "4 runs: 0 loaded, 4 trained" in capsys.readouterr().err
    assert [r.experiment for r in first] == todo and [r.key for r in first] == [key(e) for e in todo]
    assert {path.stem for path in tmp_path.glob("*.json")} == {r.key for r in first}
    assert engine.run([*todo, *todo]) == first * 2
    assert "4 runs: 4 loaded, 0 trained" in capsys.readouterr().err
    lost, old = (tmp_path / f"{r.key}.json" for r in first[:2])
    lost.unlink()
    old.rename(tmp_path / f"{first[1].key.split('-')[0]}-0.json")
    again = engine.run(todo)
    assert "4 runs: 2 loaded, 2 trained (1 of them were stale: trained by other" in capsys.readouterr().err
    assert [(r.curves, r.scores) for r in again] == [(r.curves, r.scores) for r in first]
    assert engine.run_groups({"a": todo[:1], "b": todo[1:]}) == {"a": again[:1], "b": again[1:]}


def test_a_file_that_would_not_change_keeps_its_date(tmp_path):
    """So that make does not remake what was made of it."""
    path = tmp_path / "new" / "a.csv"
    store.write(path, "é,1\n")
    os.utime(path, (1, 1))
    store.write(path, "é,1\n")
    assert path.stat().st_mtime == 1
    store.write(path, "é,2\n")
    assert path.stat().st_mtime > 1 and path.read_text("utf-8") == "é,2\n"
