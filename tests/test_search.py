"""Values to try, and tables of what they gave."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from workbook.report import tables
from workbook.runs.experiment import Experiment
from workbook.runs.search import log_grid, log_uniform, narrow


def test_log_grid_has_equal_factors_and_both_ends():
    assert log_grid(1e-5, 1e-1, 5) == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 1e-1], rel=1e-12)
    assert all(type(value) is float for value in log_grid(1, 2, 3))


def test_log_uniform_is_uniform_in_the_exponent():
    """4000 draws over four decades: about 1000 in each (standard deviation 27), none outside."""
    draws = log_uniform(1e-5, 1e-1, 4000, np.random.default_rng(0))
    counts, _ = np.histogram(np.log10(draws), bins=[-5, -4, -3, -2, -1])
    assert counts.sum() == 4000 and np.abs(counts - 1000).max() < 140
    assert draws == log_uniform(1e-5, 1e-1, 4000, np.random.default_rng(0)) and type(draws[0]) is float


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (1, 1), (2, 1), (math.nan, 1)])
def test_impossible_ranges(low, high):
    with pytest.raises(ValueError, match="needs 0 < low < high, got"):
        log_grid(low, high, 3)
    with pytest.raises(ValueError, match="needs 0 < low < high, got"):
        log_uniform(low, high, 3, np.random.default_rng(0))


def test_narrow_takes_the_range_of_the_best():
    values, scores = [1e-4, 1e-3, 1e-2, 1e-1, 1], [0.3, 0.5, 0.4, 0.45, 0.2]
    assert narrow(values, scores, best=3) == (1e-3, 1e-1)
    assert narrow(values, scores, best=2) == (1e-3, 1e-1)
    assert narrow(values, scores) == (1e-4, 1)


def test_narrow_takes_what_is_not_a_number_for_the_worst():
    assert narrow([1, 2, 3, 4], [math.nan, 0.1, 0.2, math.nan], best=2) == (2, 3)


def test_narrow_needs_two_values():
    for values, scores, best in (([1, 1, 2], [3, 2, 1], 2), ([1, 2], [1, 2], 1), ([1], [1], 5)):
        with pytest.raises(ValueError, match=f"two different values among the best {best}"):
            narrow(values, scores, best)


# Tables


def results(*accuracies):
    """Return stand-ins for results with these test accuracies, of seeds 0, 1, ..."""
    return [
        SimpleNamespace(
            experiment=Experiment(seed=seed),
            key=f"k{seed}",
            diverged=False,
            scores={"test_accuracy": a, "validation_accuracy": a, "train_accuracy": 2 * a, "test_loss": 1 + a},
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
    assert (mean, half) == (pytest.approx(0), pytest.approx(12.706 * np.sqrt(200) / np.sqrt(2), rel=1e-6))


def test_quantiles_of_t():
    """Each is the 97.5 % quantile: the density integrates to 0.475 from 0 to it."""
    for n in (*range(1, 13), 30, 100):
        t = tables.t_975(n)
        x = np.linspace(0, t, 100_001)
        density = (
            math.gamma((n + 1) / 2) / math.sqrt(n * math.pi) / math.gamma(n / 2) * (1 + x**2 / n) ** (-(n + 1) / 2)
        )
        assert np.trapezoid(density, x) == pytest.approx(0.475, abs=2e-5), n  # three decimals


def test_best_comes_first_and_not_a_number_last():
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
