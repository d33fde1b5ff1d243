"""Values to try, and the range to look at next."""

import math

import numpy as np
import pytest

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
