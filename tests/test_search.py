"""Values to try, and the range to look at next."""

import math

import numpy as np
import pytest

from workbook.runs.search import log_grid, log_uniform, narrow, search

L2 = {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1}


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


# Whole searches


def tried(method, space=None, score=lambda values: -abs(np.log(values["l2"] / 1e-3)), **how):
    """The generations that a search proposes."""
    seen = []
    search(method, space or {"l2": L2, "seed": {"value": 3}}, lambda s: seen.append(s) or list(map(score, s)), **how)
    return seen


def test_more_random_trials_begin_with_the_same():
    space = {"l2": L2, "n": {"distribution": "int_uniform", "min": 1, "max": 3}, "x": {"values": [[1], [2, 2]]}}
    space["y"] = {"distribution": "uniform", "min": 1, "max": 2}
    (few,), (many,) = (tried("random", space, trials=trials, seed=1) for trials in (20, 40))
    assert many[:20] == few and tried("random", space, trials=20, seed=2) != [few]
    assert (
        {values["n"] for values in many} == {1, 2, 3} and [1] in (x := [values["x"] for values in many]) and [2, 2] in x
    )
    assert all(1e-5 <= values["l2"] <= 0.1 and 1 <= values["y"] <= 2 for values in many)
    assert 5 < sum(values["l2"] < 1e-3 for values in many) < 35, "half the decades, about half the draws"


def test_narrow_is_the_search_of_notebook_07():
    values, scores, rng = log_grid(1e-5, 1e-1, 6), [], np.random.default_rng(4)
    for _ in range(2):
        scores = [-abs(np.log(value / 1e-3)) for value in values]
        values += log_uniform(*narrow(values, scores), 6, rng)
    generations = tried("narrow", trials=18, generation=6, seed=4)
    assert [len(sets) for sets in generations] == [6, 6, 6]
    assert [s["l2"] for sets in generations for s in sets] == values and generations[2][0]["seed"] == 3
    worst = tried(
        "narrow", trials=18, generation=6, seed=4, score=lambda v: abs(np.log(v["l2"] / 1e-3)), goal="minimize"
    )
    assert worst == generations


def test_tpe_learns_and_a_run_without_score_is_the_worst():
    assert list(map(len, tried("tpe", trials=21, generation=8))) == [8, 8, 5]
    last = [s["l2"] for sets in tried("tpe", trials=60, generation=6)[-3:] for s in sets]
    assert np.median(np.abs(np.log10(last) + 3)) < 0.5
    unlucky = [
        s["l2"]
        for sets in tried("tpe", trials=60, generation=6, score=lambda v: 1.0 if v["l2"] < 1e-3 else np.nan)[-3:]
        for s in sets
    ]
    assert np.mean(np.array(unlucky) < 1e-3) > 0.8
