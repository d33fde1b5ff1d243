"""Mistakes as data."""

import re
from dataclasses import replace

import pytest

from workbook.claims import mistakes
from workbook.claims.source import ClaimError
from workbook.runs.experiment import Experiment

MISTAKES = {mistake["name"]: mistake for mistake in mistakes.load()}


def test_operations_change_fields():
    one = Experiment(init=0.01, cycles=2, odd={"skip": 1})
    longer = {"times": {"batch_size": 4.5, "n_s": 0.2222, "updates": 2}, "plus": {"cycles": 1}}
    changed = mistakes.applied({"set": {"odd.l2_half": True}, **longer}, one)
    assert changed == replace(one, batch_size=450, n_s=500, cycles=3, odd={"skip": 1, "l2_half": True})
    assert mistakes.applied({"power": {"init": -0.5}}, one).init == pytest.approx(10)
    assert mistakes.applied({"swap": {"init": ["he", "xavier"]}}, Experiment()).init == "xavier"
    assert mistakes.applied({"swap": {"init": ["he", "xavier"]}}, Experiment(init="xavier")).init == "he"


@pytest.mark.parametrize(
    "name, settings",
    [
        ("sigma taken for a variance", {}),  # he is no number
        ("He and Xavier swapped", {"init": 0.1}),
        ("BN after the ReLU", {}),
        ("BN after the ReLU", {"batch_norm": True, "bn_after_relu": True}),
        ("one cycle fewer", {"cycles": 1}),
        ("one cycle more", {"schedule": "constant", "updates": 100}),
        ("minibatches 2 times larger", {"n_train": 150}),
        ("minibatches 10 times smaller", {"batch_size": 10}),  # one image has no variance
        ("lambda counted half", {"l2": 0.0}),
        ("dropout that does nothing", {}),
    ],
)
def test_a_mistake_that_cannot_be_made_changes_nothing(name, settings):
    experiment = Experiment(**settings)
    assert mistakes.applied(MISTAKES[name], experiment) == experiment


def test_every_mistake_of_the_list_can_be_made_somewhere():
    everything = Experiment(batch_norm=True, augment={"flip": 0.5}, drop_rate=0.1)
    for mistake in MISTAKES.values():
        made = [mistakes.applied(mistake, e) != e for e in (everything, replace(everything, init=0.1))]
        assert any(made) or "read" in mistake, mistake["name"]
    assert len(MISTAKES) == len(mistakes.load()), "two mistakes have one name"


@pytest.mark.parametrize(
    "line, message",
    [
        ("divide: {l2: 2}", "field = 'divide', allowed: name"),
        ("set: {shufle: false}", "shufle"),
        ("set: {l2: -1}", "l2 = -1"),
        ("times: {batchsize: 2}", "batchsize"),
        ("read: {test_acuracy: train_accuracy}", "did you mean 'test_accuracy'"),
        ("name: one cycle more", "a name of its own"),
    ],
)
def test_a_wrong_mistake_is_refused_with_its_line(tmp_path, line, message):
    path = tmp_path / "mine.yml"
    first = "- name: one cycle more\n  sentence: It is too long.\n  plus: {cycles: 1}\n"
    name = "" if line.startswith("name") else "name: mine\n  "
    path.write_text(f"{first}- {name}sentence: It is wrong.\n  {line}\n")
    with pytest.raises(ClaimError, match=rf"mine.yml:[46]: .*{re.escape(message)}"):
        mistakes.load(path)
