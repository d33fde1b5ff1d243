"""How the learning rate changes with the update step t = 0, 1, 2, ...; t is an integer or an array of integers."""

import numpy as np


def triangular(t, eta_min, eta_max, n_s):
    """Return the triangular cyclical learning rate at update t, float64.

    For l = 0, 1, ... it rises linearly from eta_min at t = 2 l n_s to eta_max at t = (2 l + 1) n_s, and falls back in
    the same way. n_s: updates in half a cycle. eta_min and eta_max, scalars or arrays, broadcast with t. Raises
    ValueError unless n_s >= 1. Source: Smith 2017, "triangular".
    """
    if n_s < 1:
        raise ValueError(f"n_s must be at least 1 update, got {n_s}")
    position = np.asarray(t) % (2 * n_s) / n_s  # 0 to 2 within the cycle
    return eta_min + (1 - np.abs(position - 1)) * (np.asarray(eta_max) - eta_min)


def exponential(t, eta, factor, every):
    """Return eta multiplied by ``factor`` once after each ``every`` updates: 0.95 an epoch, or 0.1 for step decay.

    Returns float64. Raises ValueError unless every >= 1.
    """
    if every < 1:
        raise ValueError(f"the rate must decay every 1 or more updates, got {every}")
    return eta * factor ** (np.asarray(t) // every)


def linear(t, eta, updates):
    """Return the rate that falls linearly from eta at t = 0 to 0 at t = updates, float64."""
    return eta * (1 - np.asarray(t) / updates)
