"""Random changes of a minibatch that keep its labels. Images X (n, 3072) are normalised, in CIFAR's order.

Pixels that a shift leaves empty become 0, the mean colour of standardised images. rng: a numpy Generator.
"""

import numpy as np

SHAPE = (3, 32, 32)


def flip(X, probability, rng):
    """Return X with each image mirrored left to right with the given probability."""
    out = X.reshape(-1, *SHAPE).copy()
    chosen = rng.random(len(X)) < probability
    out[chosen] = out[chosen, :, :, ::-1]
    return out.reshape(X.shape)


def shift(X, most, rng):
    """Return X with each image moved by whole pixels, uniform in {-most, ..., most} in both directions."""
    most = int(most)
    padded = np.pad(X.reshape(-1, *SHAPE), ((0, 0), (0, 0), (most, most), (most, most)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, SHAPE[1:], axis=(2, 3))
    down, right = rng.integers(0, 2 * most + 1, (2, len(X)))
    return windows[np.arange(len(X)), :, down, right].reshape(X.shape)


def blur(X, fraction, rng, most=0.5):
    """Return X with a random fraction of the images blurred by Gaussians of standard deviation 0 to ``most`` pixels.

    At the border the kernel is cut and scaled to sum to 1. Source: report 004's text.
    """
    chosen = rng.random(len(X)) < fraction
    sigma = rng.uniform(0, most, (chosen.sum(), 1)) + 1e-6  # avoids a division by 0 and changes nothing else
    weights = np.exp(-0.5 * (np.arange(32) / sigma) ** 2).astype(X.dtype)
    distance = np.abs(np.subtract.outer(np.arange(32), np.arange(32)))
    kernel = np.take(weights, distance, axis=1)[:, None]
    kernel /= kernel.sum(axis=-1, keepdims=True)
    out = X.copy()
    images = out[chosen].reshape(-1, *SHAPE)
    out[chosen] = (kernel @ images @ kernel.swapaxes(-1, -2)).reshape(-1, X.shape[1])
    return out


def noise(X, deviation, rng):
    """Return X plus Gaussian noise, ``deviation`` times the standard deviation of the minibatch."""
    return X + (deviation * X.std()).astype(X.dtype) * rng.standard_normal(X.shape, dtype=X.dtype)


#: the names used in recipes
AUGMENTATIONS = {"flip": flip, "shift": shift, "blur": blur, "noise": noise}


def augment(X, recipe, rng):
    """Return X after the changes of a recipe of (name, amount) in turn, e.g. (("flip", 0.5), ("shift", 3))."""
    for name, amount in recipe:
        X = AUGMENTATIONS[name](X, amount, rng)
    return X
