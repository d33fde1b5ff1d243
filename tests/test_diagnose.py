"""Which mistake made a number: mostly on numbers that are made up, once on small networks."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
import yaml

from workbook.claims import diagnose, measure, mistakes
from workbook.claims.file import load
from workbook.runs import engine
from workbook.runs.experiment import Experiment

NAMES = "test_accuracy", "final_train_loss", "final_validation_loss"
MEANS, SPREAD = np.array([52.0, 1.2, 1.32]), np.array([0.3, 0.005, 0.006])
BATCH, SHUFFLE = np.array([-1.5, -0.2, 0.02]), np.array([1.5, 0.1, -0.01])  # what two mistakes add
FAR = np.array([-4, 0.5, 0.5])
MISTAKES = {mistake["name"]: mistake for mistake in mistakes.load()}


@pytest.fixture
def report(tmp_path):
    """Make a report whose experiments "net 0", ... print the three numbers: values, or (values, settings as stated)."""

    def make(*experiments):
        content = {}
        for index, each in enumerate(experiments):
            values, stated = each if isinstance(each, tuple) else (each, {})
            units = [f"{value:.3f} {unit}" for value, unit in zip(values, ("%", "nats", "nats"), strict=True)]
            content[f"net {index}"] = {"stated": stated, "numbers": dict(zip(NAMES, units, strict=True))}
        path = tmp_path / "mine.yml"
        path.write_text(yaml.safe_dump({"experiments": content}))
        return load(path)

    return make


def only(found):
    """The one diagnosis there is, and its table by the names of the mistakes."""
    assert len(found) == 1
    return found[0], found[0].table.set_index("name")


@pytest.fixture
def world(tiny, monkeypatch):
    """Networks whose numbers are drawn: ``effects`` {(field, value): what it adds to MEANS}; counts what is trained."""

    class World:
        effects, trained = {}, []

    def read(name, experiment):
        noise = np.random.default_rng([experiment.seed, crc32(repr(replace(experiment, seed=0)).encode())])
        index = NAMES.index(name) if name in NAMES else 0
        added = sum(e[index] for (field, value), e in World.effects.items() if getattr(experiment, field) == value)
        return MEANS[index] + SPREAD[index] * noise.standard_normal(3)[index] + added + 6 * (name == "train_accuracy")

    def run(experiments):
        World.trained += experiments
        return experiments

    monkeypatch.setattr(diagnose, "run", run)
    monkeypatch.setattr(measure, "read", read)
    monkeypatch.setattr(diagnose, "flop", lambda e: e.total_updates * e.batch_size / 9e5)
    return World


def test_a_mistake_is_found_and_the_others_are_given_up_after_one_seed(world, report):
    world.effects = {("batch_size", 450): BATCH, ("shuffle", False): SHUFFLE}
    found, table = only(diagnose.diagnose(report(MEANS + BATCH), ["net 0"]))
    assert set(found.tied) == {"minibatches 4.5 times larger", "minibatches 4.5 times larger, same epochs"}
    assert table.loc[found.tied, "verdict"].tolist() == ["fits", "fits"]
    assert sorted(table.loc[found.tied, "seeds"]) == [2, 5]
    assert table.loc["no reshuffling", ["verdict", "seeds"]].tolist() == ["ruled out", 1]
    assert "cannot be told apart" in found.conclusion
    assert len(world.trained) == len(set(world.trained))


def test_nothing_is_named_where_the_numbers_agree(world, report):
    world.effects = {("batch_size", 450): BATCH, ("shuffle", False): SHUFFLE}
    right = report(MEANS + SPREAD * [0.5, -1, 0.5])
    assert diagnose.diagnose(right) == []
    found, table = only(diagnose.diagnose(right, ["net 0"]))
    assert found.tied == [] and "agree as stated" in found.conclusion
    assert "fits" not in set(table["verdict"])


def test_where_no_mistake_helps_none_is_named(world, report):
    world.effects = {("batch_size", 450): BATCH, ("shuffle", False): SHUFFLE}
    found, _ = only(diagnose.diagnose(report(MEANS + FAR)))
    assert found.tied == [] and found.conclusion.startswith("None of the")


def test_what_comes_nearer_says_what_it_leaves(world, report):
    world.effects = {("shuffle", False): SHUFFLE}
    found, table = only(diagnose.diagnose(report(MEANS + SHUFFLE + np.array([0, 0.08, 0]))))
    assert found.tied == ["no reshuffling"] and "No mistake brings all numbers into agreement" in found.conclusion
    assert table.loc["no reshuffling", "verdict"] == "nearer"
    assert table.loc["no reshuffling", "leaves"] == "net 0: final train loss +0.08"


def test_a_number_printed_for_another_costs_no_training(world, report):
    found, table = only(diagnose.diagnose(report(MEANS + np.array([6, 0, 0]))))
    assert found.tied == ["training accuracy printed for test accuracy"]
    assert table.loc[found.tied[0], "seeds"] == 5
    assert world.trained.count(Experiment(data="standin")) == 1


def test_experiments_of_one_program_are_judged_together(world, report):
    world.effects = {("shuffle", False): SHUFFLE, ("l2", 0.01): SHUFFLE, ("l2", 0.02): BATCH}
    both = report(MEANS + SHUFFLE, (MEANS + 2 * SHUFFLE, {"l2": 0.01}))
    alone, _ = only(diagnose.diagnose(both, ["net 0"]))
    assert set(alone.tied) == {"lambda counted twice", "no reshuffling"}
    together, table = only(diagnose.diagnose(both, [("net 0", "net 1")]))
    assert together.tied == ["no reshuffling"] and together.experiments == ["net 0", "net 1"]
    assert table.loc["lambda counted twice", "verdict"] != "fits"


def test_the_budget_leaves_out_the_dearest(world, report, monkeypatch):
    monkeypatch.setattr(diagnose, "BUDGET", 20)
    found, table = only(diagnose.diagnose(report(MEANS + FAR)))
    assert 15 < found.tflop * 1e12 <= 20 and sum(map(diagnose.flop, world.trained)) <= 20
    assert table.loc["minibatches 10 times larger", "verdict"] == "not tried"
    assert table.loc["one cycle fewer", "verdict"] == "ruled out"


def test_a_mistake_planted_in_small_networks_is_found(tiny, report, monkeypatch, tmp_path):
    monkeypatch.setenv("SCHEDULER", "inproc")
    small = {"hidden": [10], "n_s": 15, "cycles": 2, "batch_size": 50, "log_every": 15}
    planted = Experiment(data="standin", seed=1001, order_seed=1001, normalisation="raw", **small)
    (result,) = engine.run([planted])
    mine = report(([measure.read(name, result) for name in NAMES], small))
    few = tmp_path / "few.yml"
    few.write_text(
        yaml.safe_dump([MISTAKES[name] for name in ("one cycle fewer", "lambda counted twice", "raw pixels")])
    )
    found, table = only(diagnose.diagnose(mine, seeds=3, mistakes=few))
    assert found.tied == ["raw pixels"] and table.loc["raw pixels", "verdict"] == "fits"
