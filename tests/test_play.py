"""The playground without a browser: what it trains, how it stops, and what its controls stand for."""

import threading
import time

import numpy as np
import pytest

from lib.nn.passes import train as train_pass
from workbook.play import Inside, Live, RangeTest, Search, Views, training
from workbook.play.background import Background
from workbook.play.controls import described
from workbook.play.rates import read_off
from workbook.play.training import Stopped
from workbook.runs.experiment import vary

SHORT = {"n_train": 500, "n_validation": 100, "sample": 100, "n_s": 25, "cycles": 1}


@pytest.fixture(autouse=True)
def small(tiny, monkeypatch):
    """Train on the tests' pictures, and shorter than the playground does."""
    training.parts.cache_clear()
    original = training.short
    for module in ("controls", "search", "inside", "rates"):
        monkeypatch.setattr(f"workbook.play.{module}.short", lambda name, **more: original(name, **SHORT | more))
    yield
    training.parts.cache_clear()


@pytest.fixture
def live():
    """A Live panel whose first training has ended."""
    panel = Live()
    assert panel.background.wait(60)
    return panel


def test_a_live_run_gives_the_numbers_of_a_stored_one(tiny):
    """Three trials with everything that draws random numbers, against lib.nn.passes.train, bit by bit."""
    more = {"drop_rate": 0.2, "augment": {"flip": 0.5}, "batch_norm": True, "optimizer": "momentum"}
    trials = vary(training.short(**SHORT, **more), l2=[0.0, 0.01, 0.1], seed=range(3))
    curves = {}
    training.train(trials, lambda network, now: curves.update(now), threading.Event())
    for trial, record in enumerate(train_pass(trials, tiny)):
        assert curves["update"] == record["curves"]["update"]
        for name in ("train_cost", "validation_loss", "validation_accuracy", "eta"):
            assert [float(value[trial]) for value in curves[name]] == record["curves"][name], name


def test_it_stops_within_an_update():
    stopping, seen = threading.Event(), []

    def show(network, curves):
        seen.append(curves["update"][-1])
        stopping.set()

    with pytest.raises(Stopped):
        training.train([training.short(**SHORT)], show, stopping)
    assert seen == [0]


def test_a_new_piece_of_work_ends_the_one_before_it():
    ended, said = [], []
    background = Background(said.append)

    def forever(stopping):
        while not stopping.is_set():
            time.sleep(0.001)
        ended.append("first")

    background.start(forever)
    background.start(lambda stopping: ended.append("never"))
    background.start(lambda stopping: ended.append("last"))
    assert background.wait(10) and ended == ["first", "last"] and not said


def test_what_cannot_be_done_is_said():
    said = []

    def wrong(stopping):
        raise ValueError("batch_size must be at most the 500 training images of an epoch, got 501")

    background = Background(said.append)
    background.start(wrong)
    background.wait(10)
    assert said == ["batch_size must be at most the 500 training images of an epoch, got 501"]


def test_every_control_changes_the_experiment(live):
    start, seen = live.experiment(), set()
    assert described(start, live.controls.start) == "the course's setting"
    values = {"hidden": "40", "batch_norm": "after ReLU", "init": "σ", "optimizer": "adam", "augment": "flip"}
    values |= {"batch_size": 50, "n_train": 1000}
    for name, widget in live.controls.widgets.items():
        if name == "sigma":  # only with the initialiser σ
            continue
        first = widget.value
        widget.value = values.get(name, widget.max if name not in values else None)
        changed = live.experiment()
        assert changed != start, name
        seen.add(changed)
        widget.value = first
        assert live.experiment() == start, name
    assert len(seen) == len(live.controls.widgets) - 1
    live.background.stop()


def test_a_control_that_is_moved_trains_at_once(live):
    first = live.run
    live.controls.widgets["l2"].value = 0.1
    assert live.run is not first and live.run.experiment.l2 == 0.1
    assert live.background.wait(60) and live.run.curves["update"][-1] == live.run.experiment.total_updates
    assert live.earlier == [first]
    assert "λ = 0.1" in live.picture.value and 'stroke-opacity=".35"' in live.picture.value
    live.controls.widgets["l2"].value = 0.1  # where it stands already
    assert live.run.experiment.l2 == 0.1 and live.earlier == [first]


def test_stop_leaves_what_was_drawn(live):
    live.controls.move(cycles=6, n_s=1000)
    while not live.run.curves:
        time.sleep(0.01)
    live.stop()
    assert live.background.wait(5) and live.run.curves["update"][-1] < 12_000
    assert "Stopped. Update" in live.status.value and "<polyline" in live.picture.value


def test_a_pinned_run_keeps_its_colour_until_reset(live):
    live.pin()
    first, color = live.run, live.run.color
    for seed in range(8):  # more than the pale runs that are kept
        live.other_seed()
        assert live.background.wait(60) and live.run.experiment.seed == seed + 1
    assert color and first in live.earlier and color in live.picture.value and "(pinned)" in live.runs.value
    live.controls.widgets["hidden"].value = "20"
    live.reset()
    assert live.background.wait(60)
    assert not live.earlier and live.run.experiment == first.experiment and color not in live.picture.value


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        ("hidden", "50, x", "Hidden units are whole numbers such as 50, 50, not &#x27;50, x&#x27;."),
        ("hidden", "0", "hidden = 0, allowed"),
        ("n_train", 45_000, "n_train = 45000, allowed with split 45k5k_tail: 1 to 900"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence(live, name, value, sentence):
    live.controls.widgets[name].value = value
    live.background.wait(10)
    assert sentence in live.status.value and "Traceback" not in live.status.value


def test_a_search_draws_all_networks(live):
    live.controls.widgets["hidden"].value = "20"
    search = Search(live=live)
    assert search.background.wait(60)
    assert search.picture.value.count("<circle") == 2 * 16 and "Best so far: λ = " in search.status.value
    assert "hidden = (20,)" in search.status.value
    search.range.value = (-3.0, -2.0)
    assert search.background.wait(60) and "0.001" in search.picture.value


def test_inside_compares_networks_layer_by_layer():
    inside = Inside()
    assert inside.background.wait(60)
    assert inside.picture.value.count("<svg class") == 4 and "Update 50 of 50" in inside.status.value
    inside.init.value = "σ"
    inside.sigma.value = 1e-4
    assert inside.background.wait(60)
    inside.hidden.value = "none"
    assert "whole numbers" in inside.status.value


def test_the_range_test_ends_when_the_rate_is_highest(live):
    test = RangeTest(live=live)
    test.updates.value = 100
    assert test.background.wait(60) and "read off" in test.status.value.lower()
    low, high = test.found
    assert 0 < low < high <= test.highest.value
    test.use()
    assert live.experiment().eta_max == pytest.approx(high, rel=0.05)
    assert live.background.wait(60)


def test_rates_are_read_off_where_the_accuracy_rises_and_where_it_is_highest():
    eta = np.linspace(0, 1, 61)
    accuracy = np.interp(eta, [0, 0.1, 0.4, 0.5, 1], [10, 10, 40, 40, 12])
    low, high = read_off(eta, accuracy)
    assert 0.1 < low < 0.15 and 0.4 <= high <= 0.5
    assert read_off(eta, np.full(61, 10.0)) is None and read_off(eta[:5], accuracy[:5]) is None


def test_views_follow_the_network_trained_last(live):
    views = Views(live)
    assert views.still().count("<img") > 20 and "test images are right" in views.wrong.value
    before = views.templates.value
    live.controls.widgets["hidden"].value = ""
    assert live.background.wait(60) and live.run.network.layers[0]["W"].shape[-1] == 10
    assert views.templates.value != before and "airplane" in views.templates.value
