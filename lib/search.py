"""Values to try: grids and draws on a logarithmic scale, and the range to look at next."""

import numpy as np


def log_grid(low, high, n):
    """Return n floats from low to high, evenly spaced in the logarithm. Raises ValueError unless 0 < low < high."""
    _check(low, high)
    return [float(value) for value in np.geomspace(low, high, n)]


def log_uniform(low, high, n, rng):
    """Return n floats whose logarithm is uniform between those of low and high; rng: numpy Generator."""
    _check(low, high)
    return [float(value) for value in np.exp(rng.uniform(np.log(low), np.log(high), n))]


def narrow(values, scores, best=5):
    """Return (min, max) of the ``best`` values with the highest scores: the range of the next round.

    values, scores: sequences of equal length. A score that is not a number counts as the worst.
    Raises ValueError if fewer than two of the best values differ.
    """
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:best]
    chosen = np.asarray(values, float)[order]
    if len(set(chosen)) < 2:
        raise ValueError(f"a range needs two different values among the best {best}, got {chosen.tolist()}")
    return float(chosen.min()), float(chosen.max())


def _check(low, high):
    if not 0 < low < high:
        raise ValueError(f"a logarithmic range needs 0 < low < high, got {low} and {high}")
