"""Learning rate schedules, worked by hand."""

import numpy as np
import pytest

from lib.nn.schedules import exponential, linear, triangular


def test_the_triangular_rate_meets_its_ends_at_multiples_of_n_s():
    for n_s in (1, 500, 2250):
        for cycle in range(3):
            assert triangular(2 * cycle * n_s, 1e-5, 0.1, n_s) == pytest.approx(1e-5)
            assert triangular((2 * cycle + 1) * n_s, 1e-5, 0.1, n_s) == pytest.approx(0.1)
    np.testing.assert_allclose(triangular(np.arange(8), 0.0, 4.0, 4), [0, 1, 2, 3, 4, 3, 2, 1])


def test_triangular_rates_of_several_trials():
    rates = triangular(np.arange(4), 0.0, np.array([[1.0], [3.0]]), 2)
    assert rates.tolist() == [[0, 0.5, 1, 0.5], [0, 1.5, 3, 1.5]]


def test_exponential_by_hand():
    """0.1 for three updates, 0.05 for three, 0.025 for the rest."""
    assert exponential(np.arange(8), 0.1, 0.5, 3) == pytest.approx([0.1] * 3 + [0.05] * 3 + [0.025] * 2, rel=1e-14)
    assert exponential(7, 0.1, 0.5, 3) == pytest.approx(0.025)


def test_linear_by_hand():
    """From 0.2 at the first of four updates by quarters; 0 would come with the fifth."""
    assert linear(np.arange(5), 0.2, 4) == pytest.approx([0.2, 0.15, 0.1, 0.05, 0], abs=1e-16)


def test_impossible_lengths_are_refused():
    with pytest.raises(ValueError, match="n_s must be at least 1 update, got 0"):
        triangular(0, 0, 1, 0)
    with pytest.raises(ValueError, match="every 1 or more updates, got -1"):
        exponential(0, 0.1, 0.5, -1)
