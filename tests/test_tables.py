"""Tables of results, against cases worked by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from workbook.report import tables
from workbook.runs.experiment import Experiment


def results(*accuracies):
    """Results with these test accuracies; training is twice as accurate, validation as accurate, one seed each."""
    return [
        SimpleNamespace(
            experiment=Experiment(seed=seed, l2=0.1**seed),
            scores={"test_accuracy": a, "validation_accuracy": a, "train_accuracy": 2 * a, "test_loss": 1 + a},
            diverged=False,
            key=f"key{seed}",
        )
        for seed, a in enumerate(accuracies)
    ]


def test_mean_and_standard_deviation_by_hand():
    """50, 52 and 54 %: mean 52, squares 4 + 0 + 4 over n - 1 = 2, so 2."""
    assert tables.percent(results(0.5, 0.52, 0.54)) == "52.00 ± 2.00"
    assert tables.percent(results(0.5, 0.52, 0.54), "train_accuracy", digits=1) == "104.0 ± 4.0"
    assert tables.percent(results(0.5)) == "50.00"


def test_paired_difference_by_hand():
    """Differences 1, 2 and 3 points: mean 2, sd 1; t(97.5 %, 2 degrees of freedom) = 4.303; 4.303 / sqrt(3) = 2.484."""
    mean, half = tables.difference(results(0.51, 0.54, 0.57), results(0.5, 0.52, 0.54))
    assert (mean, half) == (pytest.approx(2), pytest.approx(2.484, abs=1e-3))
    mean, half = tables.difference(results(0.5, 0.6), results(0.6, 0.5))
    assert (mean, half) == (pytest.approx(0), pytest.approx(12.706 * np.sqrt(200) / np.sqrt(2), rel=1e-4))


def test_one_pair_has_no_interval():
    mean, half = tables.difference(results(0.51), results(0.5))
    assert mean == pytest.approx(1) and math.isnan(half)
    assert tables.points((mean, half)) == "+1.00 points (one pair, no interval)"
    assert tables.points((-1.0, 0.25)) == "-1.00 ± 0.25 points"


def test_a_sign_is_known_where_the_interval_leaves_out_zero():
    assert [tables.sign(effect) for effect in ((2, 0.5), (-2, 0.5), (0.5, 2), (2, math.nan))] == [1, -1, 0, 0]


def test_many_intervals_hold_together():
    """Of ten intervals of unrelated differences that are all zero, some leave out 0 in 5 % of repetitions, not 40 %."""
    rng, missed = np.random.default_rng(0), {1: 0, 10: 0}
    for _ in range(1000):
        pairs = [(results(*rng.normal(0.5, 0.01, 3)), results(*rng.normal(0.5, 0.01, 3))) for _ in range(10)]
        for of in missed:
            effects = [tables.difference(a, b, of=of) for a, b in pairs]
            missed[of] += any(abs(mean) > half for mean, half in effects)
    assert missed[1] > 300 and 30 < missed[10] < 75


def test_best_comes_first_and_nan_last():
    ranked = tables.best(results(0.2, math.nan, 0.5, 0.4), 4)
    assert [r.experiment.seed for r in ranked] == [2, 3, 0, 1]
    assert [r.experiment.seed for r in tables.best(ranked, 1)] == [2]


def test_rows_and_accuracies():
    frame = tables.rows(results(0.5, 0.6))
    assert list(frame["seed"]) == [0, 1] and list(frame["test_accuracy"]) == [0.5, 0.6]
    assert {"l2", "key", "diverged"} <= set(frame)
    table = tables.accuracies({"A": results(0.5, 0.6), "B": results(0.4)})
    assert list(table["Network"]) == ["A", "B"] and list(table["$n$"]) == [2, 1]
    assert table["Test / %"].tolist() == ["55.00 ± 7.07", "40.00"] and table["Test loss"].tolist() == ["1.550", "1.400"]


def test_a_round_shows_its_range_and_its_three_best():
    """Lambda is 1, 0.1, 0.01 and 0.001 in turn."""
    [row] = tables.rounds({"coarse": results(0.2, 0.5, 0.4, 0.3)}).to_dict("records")
    assert row["Range of $\\lambda$"] == "0.001 to 1" and row["Trials"] == 4
    assert row["Three best: $\\lambda$ (validation accuracy / %)"] == "0.1 (50.00); 0.01 (40.00); 0.001 (30.00)"
