"""How the learning rate changes with the update step t = 0, 1, 2, ..."""

import numpy as np


def triangular(t, eta_min, eta_max, n_s):
    """Return the triangular cyclical learning rate at update t.

    It rises linearly from eta_min at t = 2 l n_s to eta_max at t = (2 l + 1) n_s and falls back likewise, for
    l = 0, 1, ...; t integer scalar or array; n_s updates per half-cycle; eta_min, eta_max scalars or arrays that
    broadcast with t. Returns float64 in the broadcast shape. Source: Smith 2017, "triangular".
    Raises ValueError unless n_s >= 1.
    """
    if n_s < 1:
        raise ValueError(f"n_s must be at least 1 update, got {n_s}")
    position = np.asarray(t) % (2 * n_s) / n_s  # 0 .. 2 within the cycle
    return eta_min + (1 - np.abs(position - 1)) * (np.asarray(eta_max) - eta_min)


def exponential(t, eta, factor, every):
    """Return eta times ``factor`` once more after each ``every`` updates: 0.95 an epoch, or 0.1 for step decay.

    t integer scalar or array; every in updates. Returns float64. Raises ValueError unless every >= 1.
    """
    if every < 1:
        raise ValueError(f"the rate must decay every 1 or more updates, got {every}")
    return eta * factor ** (np.asarray(t) // every)


def linear(t, eta, updates):
    """Return the rate that falls linearly from eta at t = 0 to 0 at t = updates; t integer scalar or array."""
    return eta * (1 - np.asarray(t) / updates)


def constant(t, eta):
    """Return eta for every update t, float64 in the shape of t."""
    return np.full(np.shape(t), float(eta))
