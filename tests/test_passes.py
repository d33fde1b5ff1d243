"""Runs in one pass: the result of each is that of a pass of its own, and depends on every setting."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from lib.nn.passes import initial_network, rates, train
from workbook.runs.experiment import Experiment
from workbook.runs.oddities import Oddities

#: a short run, of a schedule that needs ``updates``, so that every field can be changed alone
BASE = Experiment(
    data="standin", hidden=(9, 8), schedule="constant", updates=12, batch_size=50, log_every=5, sample=100, n_s=6
)
CYCLE = replace(BASE, schedule="cyclical", updates=None, cycles=1)


def record(dataset, experiment, **odd):
    """Return the record of one run in a pass of its own."""
    return train([replace(experiment, odd=odd)], dataset)[0]


RECIPES = {
    "plain": {},
    "BN": {"batch_norm": True},
    "BN after ReLU, from zero": {"batch_norm": True, "bn_after_relu": True, "odd": {"bn_from_zero": True}},
    "BN with the statistics of the set": {"batch_norm": True, "odd": {"bn_statistics": "set"}},
    "dropout and augmentation": {
        "drop_rate": 0.2,
        "augment": (("flip", 0.5), ("shift", 2), ("blur", 1), ("noise", 0.1)),
    },
    "momentum, hinge": {"optimizer": "momentum", "loss": "hinge"},
    "nesterov, sigmoid": {"optimizer": "nesterov", "loss": "sigmoid", "optimizer_options": {"rho": 0.8}},
    "adam": {"optimizer": "adam", "eta_max": 1e-3},
    "adagrad": {"optimizer": "adagrad", "eta_max": 1e-2},
    "exponential": {"schedule": "exponential", "updates": 12, "schedule_options": {"factor": 0.5, "every": 4}},
    "random split, in order": {"split": "45k5k_random", "shuffle": False, "odd": {"skip": 10}},
    "best of the log points": {"keep_best": True, "batch_norm": True, "keep_weights": True},
    "two stages": {"odd": {"stages": [(0.1, 0.01), (0.01, 0.0)]}},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_result_does_not_depend_on_its_pass(pictures, recipe):
    base = replace(CYCLE, **recipe)
    trials = [base, replace(base, seed=1, init=0.02), replace(base, l2=0.1, eta_max=3 * base.eta_max)]
    together = train(trials, pictures)
    assert together == [train([e], pictures)[0] for e in trials]
    assert together != [together[0]] * 3
    assert json.loads(json.dumps(together)) == together  # plain numbers, lists, strings


def test_a_record_holds_curves_scores_and_the_test_only_if_asked(pictures):
    found = record(pictures, CYCLE)
    quantities = [f"{part}_{name}" for part in ("train", "validation") for name in ("loss", "cost", "accuracy")]
    assert set(found) == {"diverged", "curves", "scores"}
    assert set(found["curves"]) == {"update", "eta", *quantities}
    assert found["curves"]["update"] == [0, 5, 10, 12] and {len(c) for c in found["curves"].values()} == {4}
    assert set(found["scores"]) == {*quantities, "test_loss", "test_cost", "test_accuracy"}
    blind = record(pictures, replace(CYCLE, test=False))
    assert set(blind["scores"]) == set(quantities) and blind["curves"] == found["curves"]


def test_the_first_weights_are_stored_if_asked(pictures):
    weights = np.array(record(pictures, replace(CYCLE, keep_weights=True))["weights"])
    assert weights.shape == (3072, 9)
    assert 0 < np.abs(weights - initial_network(CYCLE).layers[0]["W"]).max() < 0.5


# Every setting counts

#: another value of the fields of Experiment and Oddities, where half as much again will not do
OTHER = {
    "eta_min": 0.01,
    "split": "B1B2",
    "normalisation": "raw",
    "n_train": 300,
    "n_validation": 60,
    "augment": (("flip", 0.5),),
    "hidden": (9,),
    "loss": "hinge",
    "init": "xavier",
    "optimizer": "momentum",
    "schedule": "linear",
    "odd.bn_statistics": "set",
    "odd.stages": ((0.1, 0.001),),
    "odd.diverged_factor": 2.0,
    "odd.skip": 800,
}
CHANGED = {"updates": None, "schedule": "cyclical"}
#: what a field needs in order to make a difference
NEEDS = {
    "cycles": CHANGED, "n_s": CHANGED, "eta_min": CHANGED,
    "bn_after_relu": {"batch_norm": True}, "bn_decay": {"batch_norm": True}, "bn_eps": {"batch_norm": True},
    "keep_best": {"updates": 40, "eta_max": 0.5},
    "odd.bn_from_zero": {"batch_norm": True}, "odd.bn_statistics": {"batch_norm": True},
    "odd.diverged_factor": {"eta_max": 1.0},
}  # fmt: skip
#: options go with a rule, and get tests of their own
FIELDS = [f.name for f in fields(Experiment) if f.name not in ("data", "odd", "optimizer_options", "schedule_options")]
ODD = [f"odd.{f.name}" for f in fields(Oddities)]


@pytest.mark.parametrize("name", FIELDS + ODD)
def test_every_field_changes_the_record(pictures, name):
    """None is ignored: what determines a run is a field, and what is a field determines it."""
    base, field = replace(BASE, **NEEDS.get(name, {})), name.removeprefix("odd.")
    value = getattr(base.odd if name in ODD else base, field)
    if isinstance(value, bool):
        value = not value
    elif name in OTHER:
        value = OTHER[name]
    else:
        value = value + 1 if isinstance(value, int) else (value + 0.5) / 2
    changed = replace(base, odd={field: value}) if name in ODD else replace(base, **{name: value})
    assert train([changed], pictures) != train([base], pictures)


@pytest.mark.parametrize(
    ("rule", "options"),
    [({"optimizer": "momentum"}, {"rho": 0.5}), ({"optimizer": "nesterov"}, {"rho": 0.5}),
     ({"optimizer": "adagrad"}, {"eps": 1.0}), ({"optimizer": "adam"}, {"beta1": 0.5}),
     ({"optimizer": "adam"}, {"beta2": 0.5}), ({"optimizer": "adam"}, {"eps": 1.0})],
    ids=str,
)  # fmt: skip
def test_every_option_of_an_optimizer_changes_the_record(pictures, rule, options):
    base = replace(BASE, eta_max=0.01, **rule)
    assert train([replace(base, optimizer_options=options)], pictures) != train([base], pictures)


# Learning rates, stages, oddities


def test_the_rates_of_every_schedule():
    assert rates(replace(CYCLE, n_s=2, cycles=2, eta_min=0.0, eta_max=1.0)).tolist() == [0, 0.5, 1, 0.5] * 2
    assert rates(replace(BASE, updates=3, eta_max=0.2)).tolist() == [0.2] * 3
    halves = replace(BASE, updates=5, eta_max=1.0, schedule="exponential", schedule_options={"factor": 0.5, "every": 2})
    assert rates(halves).tolist() == [1, 1, 0.5, 0.5, 0.25]
    assert rates(replace(BASE, updates=4, eta_max=1.0, schedule="linear")).tolist() == [1, 0.75, 0.5, 0.25]
    assert rates(BASE, eta_max=7.0).tolist() == [7] * 12


def test_the_best_weights_are_those_of_the_best_log_point(pictures):
    found = record(pictures, replace(BASE, keep_best=True, updates=40, eta_max=0.5))
    logged = found["curves"]["validation_accuracy"][1:]
    assert found["scores"]["validation_accuracy"] == max(logged) > logged[-1]


def test_stages_continue_each_other(pictures):
    """Two stages of the same rate are one of twice the length."""
    pair = record(pictures, BASE, stages=((0.1, 0.005),) * 2)
    longer = record(pictures, replace(BASE, updates=24, eta_max=0.1, l2=0.005))
    assert pair["scores"] == longer["scores"] and pair["curves"]["update"] == [0, 5, 10, 12, 17, 22, 24]
    falling = record(pictures, BASE, stages=((0.1, 0.01), (0.01, 0.0)))["curves"]
    assert falling["eta"] == [0.1] * 4 + [0.01] * 3
    assert falling["train_cost"][-1] == falling["train_loss"][-1]  # the second has no penalty


def test_a_stage_starts_from_the_best_weights_of_the_one_before(pictures):
    """The first stage ends far from its best; a second with a rate of almost 0 finds it again."""
    wild = replace(BASE, keep_best=True, updates=40, eta_max=0.5)
    first = record(pictures, wild)["curves"]["validation_accuracy"]
    second = record(pictures, wild, stages=((0.5, 0.005), (1e-12, 0.005)))["curves"]["validation_accuracy"]
    assert first[-1] < max(first[1:]) == second[-1]


def test_half_the_penalty_is_the_penalty_of_half_lambda(pictures):
    assert record(pictures, replace(CYCLE, l2=0.2), l2_half=True) == record(pictures, replace(CYCLE, l2=0.1))


def test_frozen_biases_never_move(pictures):
    """With one output layer alone and no weights to speak of, they are all there is to learn."""
    base = replace(BASE, hidden=(), init=1e-9, eta_max=1e-3)
    moved, frozen = record(pictures, base), record(pictures, base, frozen_biases=True)
    assert moved["curves"]["train_loss"][0] == frozen["curves"]["train_loss"][0]
    assert moved["curves"]["train_loss"][1] != frozen["curves"]["train_loss"][1]


def test_divergence_is_infinity_nan_or_a_factor(pictures):
    calm, wild = train([CYCLE, replace(CYCLE, eta_max=1e8)], pictures)
    assert (calm["diverged"], wild["diverged"]) == (False, True)
    loud = replace(BASE, eta_max=1.0)
    assert [record(pictures, loud)["diverged"], record(pictures, loud, diverged_factor=2.0)["diverged"]] == [
        False,
        True,
    ]


@pytest.mark.parametrize("sizes", [{"batch_size": 901}, {"n_train": 40}, {"n_train": 901}], ids=str)
def test_what_the_data_cannot_give_is_refused(pictures, sizes):
    """There are 900 training images, and minibatches of 50."""
    with pytest.raises(ValueError, match=r"batch_size|n_train"):
        train([replace(BASE, **sizes)], pictures)
