"""Experiments: what is refused and how, what a key depends on, which runs may share a pass."""

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, dataclass, fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lib import data, nn
from lib.nn.splits import SPLITS, split
from workbook.runs import store
from workbook.runs.experiment import IMAGES, TRIAL_FIELDS, Experiment, code_version, departures, key, make, shared, vary
from workbook.runs.fields import setting
from workbook.runs.oddities import Oddities

FIELDS = [f.name for f in fields(Experiment) if f.name != "odd"] + [f"odd.{f.name}" for f in fields(Oddities)]

#: a run whose schedule needs ``updates``, so that every field can be changed alone
BASE = {"data": "standin", "schedule": "constant", "updates": 12}

#: another value of the fields for which ``other`` cannot make one up
OTHER = {
    "data": "cifar10",
    "split": "B1B2",
    "normalisation": "raw",
    "n_train": 300,
    "n_validation": 60,
    "augment": {"flip": 0.5},
    "hidden": [9],
    "loss": "hinge",
    "init": "xavier",
    "optimizer": "momentum",
    "schedule": "linear",
    "schedule_options": {"factor": 0.5, "every": 3},
    "optimizer_options": {"rho": 0.5},
    "odd.bn_statistics": "set",
    "odd.stages": [[0.1, 0.001]],
    "odd.diverged_factor": 3.0,
}

#: what must be given with an option
NEEDS = {"schedule_options": {"schedule": "exponential"}, "optimizer_options": {"optimizer": "momentum"}}


def pair(name):
    """Return two experiments that differ in one field, where the defaults allow it the first at its default."""
    before = BASE | NEEDS.get(name, {})
    if name == "schedule_options":
        before = before | {name: {"factor": 0.1, "every": 3}}
    outer, _, inner = name.rpartition(".")
    value = getattr(getattr(make(before), outer) if outer else make(before), inner)
    if name in OTHER:
        return make(before), make(before | {name: OTHER[name]})
    if isinstance(value, bool):
        return make(before), make(before | {name: not value})
    return make(before), make(before | {name: value + 1 if isinstance(value, int) else (value + 0.5) / 2})


# What is refused


@pytest.mark.parametrize("name", FIELDS)
def test_nonsense_is_refused_by_name_with_what_is_allowed(name):
    with pytest.raises(ValueError, match=rf"^{name} = 'nonsense'.*, allowed: \S"):
        make(BASE | {name: "nonsense"})


IMPOSSIBLE = [
    ("seed", -1), ("seed", 1.0), ("seed", True), ("batch_size", 1), ("cycles", 0), ("n_s", 0), ("n_s", 2.5),
    ("n_train", 0), ("hidden", 50), ("l2", -1e-9), ("l2", math.nan), ("l2", math.inf), ("l2", None), ("l2", "1e-3"),
    ("eta_max", 0), ("eta_min", -1), ("eta_max", math.nan), ("bn_decay", 1), ("bn_decay", -0.1), ("bn_eps", -1),
    ("init", 0), ("init", None), ("init", True), ("batch_norm", 2), ("batch_norm", None), ("batch_norm", 1),
    ("log_every", 0), ("sample", 0), ("split", None), ("data", "auto"), ("drop_rate", 1), ("augment", 3),
    ("odd.skip", -1), ("odd.stages", (1, 2)), ("odd.stages", ((1,),)), ("odd.bn_statistics", None),
    ("odd.diverged_factor", 0.5), ("odd.l2_half", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE, ids=[f"{name}={value!r}" for name, value in IMPOSSIBLE])
def test_impossible_values_are_refused(name, value):
    with pytest.raises(ValueError) as caught:
        make({name: value})
    assert str(caught.value).startswith(f"{name} = {value!r}") and ", allowed: " in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"L2": 1}, r"^field = 'L2' \(did you mean 'l2'\?\), allowed: data, .*, odd$"),
        ({"l2": -1}, r"^l2 = -1, allowed: a number of at least 0$"),
        ({"drop_rate": 1}, r"^drop_rate = 1, allowed: a number of at least 0 and below 1$"),
        ({"hidden": [50, 0]}, r"^hidden = 0, allowed: an integer of at least 1$"),
        ({"split": "b1b2"}, r"^split = 'b1b2' \(did you mean 'B1B2'\?\), allowed: B1B2, 45k5k_tail, "),
        ({"init": "xaver"}, r"^init = 'xaver' \(did you mean 'xavier'\?\), allowed: he, xavier, a number$"),
        ({"augment": {"flap": 1}}, r"^augment = 'flap' \(did you mean 'flip'\?\), allowed: flip, shift"),
        ({"odd": {"skp": 1}}, r"^field of odd = 'skp' \(did you mean 'skip'\?\), allowed: skip, "),
        ({"odd.bn_statistic": "set"}, r"^field of odd = 'bn_statistic' \(did you mean 'bn_statistics'\?\)"),
        ({"odds.skip": 1}, r"^field = 'odds' \(did you mean 'odd'\?\), allowed: odd, optimizer_options, sched"),
        ({"odd": None}, r"^field of odd = None, allowed: names with values$"),
        ({"optimizer_options": {"rho": 1}}, r"^optimizer_options of sgd = 'rho', allowed: none$"),
        ({"optimizer": "adam", "optimizer_options.beta": 1}, r"^optimizer_options of adam = 'beta' \(did you mean"),
        ({"schedule_options": {"every": 1}}, r"^schedule_options of cyclical = 'every', allowed: none$"),
        ({"schedule": "linear"}, r"^updates = None, allowed with schedule 'linear': an integer of at least 1$"),
        ({"updates": 3}, r"^updates = 3, allowed with schedule 'cyclical': none"),
        ({"schedule": "exponential", "updates": 1, "schedule_options.factor": 1}, "exponential need factor and every$"),
        ({"seed": 2**64}, r"^seed = 18446744073709551616, allowed: an integer of at least 0 and below 9.0072e\+15$"),
        ({"seed": 10**5000}, r"^seed = a int too large to be shown, allowed: an integer of at least 0 and below 9"),
        ({"l2": 10**400}, r"^l2 = 10+\.\.\., allowed: a number of at least 0 and below 1e\+30$"),
        ({"init": 1e300}, r"^init = 1e\+300, allowed: a number of at least 1e-12 and below 1e\+30$"),
        ({"hidden": [2**63]}, r"^hidden = 9223372036854775808, allowed: an integer of at least 1 and below 9"),
        ({"n_train": 50}, r"^batch_size = 100, allowed: at most the 50 images of an epoch$"),
        ({"odd.skip": 44_950}, r"^batch_size = 100, allowed: at most the 50 images of an epoch$"),
        ({"n_train": 45_001}, r"^n_train = 45001, allowed: at most 45000 with split 45k5k_tail$"),
        ({"n_validation": 1001, "split": "49k1k"}, r"^n_validation = 1001, allowed: at most 1000 with split 49k1k$"),
        ({"batch_norm": True, "n_validation": 1}, r"^n_validation = 1, allowed: at least 2 with batch normalisation$"),
        ({"batch_norm": True, "sample": 1}, r"^sample = 1, allowed: at least 2 with batch normalisation$"),
        ({"eta_min": 0.2}, r"^eta_min = 0.2, allowed: at most eta_max = 0.1$"),
        ({"cycles": 10**9}, r"^cycles = 1000000000, allowed: at most 10000000 updates in all, not 4.5e\+12$"),
        ({"schedule": "linear", "updates": 10**8}, r"^updates = 100000000, allowed: at most 10000000 updates in all"),
        ({"odd.stages": [[1, 0]] * 1200}, r"^cycles = 2, allowed: at most 10000000 updates in all, not 1.08e\+07$"),
        ({"augment.shift": 1e6}, r"^field = 'augment', allowed: odd"),
        ({"augment": {"shift": 1e6}}, r"^augment.shift = 1000000.0, allowed: a number from 0 to 31$"),
        ({"augment": {"flip": 1.5}}, r"^augment.flip = 1.5, allowed: a number from 0 to 1$"),
        ({"augment": [[["flip"], 1]]}, r"^augment = \['flip'\] .did you mean 'flip'.., allowed: flip"),
        ({"augment": [[{}, 1]]}, r"^augment = \(\), allowed: flip"),
        ({"data": ["cifar10"]}, r"^data = \('cifar10',\) .did you mean 'cifar10'.., allowed: cifar10, standin$"),
        ({"hidden": [[[[[5]]]]]}, r"^hidden = .* allowed: an integer of at least 1$"),
        (
            {"optimizer": "adam", "optimizer_options.beta1": 1},
            r"^optimizer_options.beta1 = 1, allowed: a number from 0",
        ),
    ],
)
def test_the_message_helps(settings, message):
    with pytest.raises(ValueError, match=message):
        make(settings)


def test_the_images_of_a_split_are_those_that_it_gives():
    rng = np.random.default_rng(0)
    dataset = SimpleNamespace(pixels=np.zeros((60_000, 1), np.uint8), labels=np.zeros(60_000), per_file=10_000)
    for name in SPLITS:
        train, validation, _ = split(dataset, name, "raw", rng=rng)
        assert IMAGES[name] == (len(train), len(validation))


def test_settings_of_a_file_make_the_experiment():
    odd = Oddities(l2_half=True, stages=((0.1, 0.0),))
    whole = Experiment(hidden=(9,), optimizer="adam", optimizer_options={"eps": 1.0, "beta2": 0.5}, odd=odd)
    dotted = {"odd.l2_half": True, "odd": {"stages": [[0.1, 0]]}, "optimizer_options.eps": 1}
    assert make({"hidden": [9], "optimizer": "adam", "optimizer_options": {"beta2": 0.5}} | dotted) == whole
    assert make(json.loads(json.dumps(asdict(whole)))) == whole, "as the store has it"
    assert make({}) == Experiment()


def test_an_experiment_is_frozen_and_can_be_a_key():
    one = Experiment()
    with pytest.raises(FrozenInstanceError):
        one.seed = 2
    assert {one: 1}[Experiment(hidden=[50, 50])] == 1  # a list, as in JSON, becomes a tuple


def test_oddities_settle_themselves():
    assert Oddities(stages=[[1, 0]]).stages == ((1, 0),)
    with pytest.raises(ValueError, match=r"^odd.skip = -1"):
        Oddities(skip=-1)


def test_vary():
    assert [e.seed for e in vary(Experiment(), seed=range(3))] == [0, 1, 2]
    assert [(e.seed, e.l2) for e in vary(Experiment(), seed=(1, 2), l2=(0.1, 0.2))] == [(1, 0.1), (2, 0.2)]
    with pytest.raises(ValueError, match="zip"):
        vary(Experiment(), seed=(1, 2), l2=(0.1,))
    with pytest.raises(ValueError, match="seed"):
        vary(Experiment(), seed=(1, -1))


# Keys


@pytest.mark.parametrize("name", FIELDS)
def test_the_key_depends_on_every_field(tiny, name):
    before, after = pair(name)
    assert key(before) != key(after) and key(before) == key(replace(before))


@pytest.mark.parametrize("values", [{"l2": 0}, {"init": 1}, {"augment": [["shift", 3]]}, {"odd.stages": [[1, 0]]}])
def test_equal_experiments_have_equal_keys(tiny, values):
    """0 and 0.0 are the same number, written by hand, by a grid, or read from a file."""

    def as_float(v):
        return [as_float(e) for e in v] if isinstance(v, list) else float(v) if isinstance(v, int) else v

    whole, floats = make(BASE | values), make(BASE | {name: as_float(v) for name, v in values.items()})
    assert whole == floats and key(whole) == key(floats)


def test_the_key_depends_on_the_data(tiny, monkeypatch):
    before = key(make(BASE))
    monkeypatch.setattr(data, "load", lambda name: replace(tiny, fingerprint="another"))
    assert key(make(BASE)) != before


def test_a_field_that_is_added_with_a_default_leaves_all_keys_as_they_are(tiny):
    @dataclass(frozen=True, kw_only=True)
    class OfTomorrow(Experiment):
        label_smoothing: float = setting(0.0, float)

    settings = {"seed": 3, "odd": Oddities(skip=5)}
    assert departures(OfTomorrow(**settings)) == {"seed": 3, "odd": {"skip": 5}}
    assert key(OfTomorrow(**settings)) == key(Experiment(**settings))
    assert key(OfTomorrow(**settings, label_smoothing=0.1)) != key(Experiment(**settings))


def test_the_code_version_is_that_of_the_code_of_lib_nn(tmp_path, monkeypatch):
    folder, version = tmp_path / "nn", code_version.__wrapped__  # without its cache
    shutil.copytree(Path(nn.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(nn, "__file__", str(folder / "__init__.py"))
    before = version()
    assert before == code_version() and len(before) == 8
    for file in folder.glob("*.py"):
        text = file.read_text()
        file.write_text("# another comment\n\n\n" + text.replace('"""', '"""Told otherwise. ', 1))
        assert version() == before, f"{file.name}: comments and docstrings must not count"
        file.write_text(text + "\nX = 1\n")
        assert version() != before, f"{file.name}: code must count"
        file.write_text(text)
    (folder / "another.py").write_text("X = 1\n")
    assert version() != before


def test_no_other_file_changes_a_key(tmp_path):
    """In a copy of the project, because a module is imported once."""
    for package in ("lib", "workbook"):
        shutil.copytree(store.ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))

    def name():
        script = "from workbook.runs.experiment import *; print(key(Experiment(data='standin', seed=2)))"
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    before = name()
    for path in [*tmp_path.glob("workbook/**/*.py"), *tmp_path.glob("lib/*.py")]:
        if path.name != "standin.py":  # which draws the images
            path.write_text(path.read_text() + "\nNEW = 1\n")
    assert name() == before
    with open(tmp_path / "lib/nn/layers.py", "a") as file:
        file.write("\nNEW = 1\n")
    assert name().split("-")[0] == before.split("-")[0] and name() != before


# Passes


@pytest.mark.parametrize("name", FIELDS)
def test_only_trial_fields_may_differ_in_a_pass(name):
    before, after = pair(name)
    assert (shared(before) == shared(after)) == (name in TRIAL_FIELDS)


def test_stages_may_differ_in_a_pass_but_not_in_number():
    one, other, longer = (make({"odd.stages": stages}) for stages in ([[1, 0]], [[0.1, 1]], [[1, 0], [1, 0]]))
    assert shared(one) == shared(other) != shared(longer)
