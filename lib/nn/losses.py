"""What is minimised: J = mean loss of the images + lambda * sum of all squared weights (no one-half, no biases).

"Loss" is the first term alone, "cost" is J. Every forward takes scores S (..., n, K), where a leading axis counts
trials (see ``layers``), and integer labels y (n,), which all trials share. It returns the mean loss (...) and a cache.
Every backward returns the gradient for S; its grad_out (...) is usually 1. Below, Y are the one-hot labels.
"""

import numpy as np


def softmax_cross_entropy_forward(S, y):
    """Return the mean over the n images of ``-log softmax(S)[y]``, in nats, and the cache.

    The logarithm is taken of the sum of the exponentials, never of a probability that may have become 0.
    """
    largest = np.maximum.reduce(np.ascontiguousarray(S.swapaxes(-1, -2)), axis=-2)  # 4 times faster than over axis -1
    shifted = S - largest[..., None]
    P = np.exp(shifted)
    total = P @ np.ones((S.shape[-1], 1), S.dtype)
    losses = np.log(total[..., 0]) - shifted[..., np.arange(len(y)), y]
    P /= total
    return np.add.reduce(losses, axis=-1) / len(y), (P, y)


def softmax_cross_entropy_backward(grad_out, cache):
    """Return ``grad_out * (P - Y) / n``, where P are the probabilities."""
    P, y = cache
    grad_S = P.copy()
    grad_S[..., np.arange(len(y)), y] -= 1
    grad_S *= np.asarray(grad_out, P.dtype)[..., None, None] / len(y)
    return grad_S


def sigmoid_cross_entropy_forward(S, y):
    """Return the mean over images and classes of the binary cross-entropy of ``sigmoid(S)``, in nats, and the cache."""
    # max(s, 0) - s Y + log(1 + exp(-|s|)) does not overflow for any s
    binary = np.maximum(S, 0) + np.log1p(np.exp(-np.abs(S)))
    binary[..., np.arange(len(y)), y] -= S[..., np.arange(len(y)), y]
    return np.mean(binary, axis=(-2, -1)), (S, y)


def sigmoid_cross_entropy_backward(grad_out, cache):
    """Return ``grad_out * (sigmoid(S) - Y) / (n K)``."""
    S, y = cache
    grad_S = 0.5 * (1 + np.tanh(0.5 * S))  # the sigmoid, without overflow
    grad_S[..., np.arange(len(y)), y] -= 1
    grad_S *= np.asarray(grad_out, S.dtype)[..., None, None] / (len(y) * S.shape[-1])
    return grad_S


def hinge_forward(S, y):
    """Return the multi-class SVM loss, mean of ``sum over wrong classes j of max(0, s_j - s_y + 1)``, and the cache."""
    rows = np.arange(len(y))
    margins = np.maximum(S - S[..., rows, y][..., None] + 1, 0)
    margins[..., rows, y] = 0
    return np.mean(np.add.reduce(margins, axis=-1), axis=-1), (margins, y)


def hinge_backward(grad_out, cache):
    """Return grad_out / n for each violated margin, and at the true class minus their sum."""
    margins, y = cache
    grad_S = (margins > 0).astype(margins.dtype)
    grad_S[..., np.arange(len(y)), y] = -np.add.reduce(grad_S, axis=-1)
    grad_S *= np.asarray(grad_out, margins.dtype)[..., None, None] / len(y)
    return grad_S


#: forward and backward of each loss
LOSSES = {
    "softmax": (softmax_cross_entropy_forward, softmax_cross_entropy_backward),
    "sigmoid": (sigmoid_cross_entropy_forward, sigmoid_cross_entropy_backward),
    "hinge": (hinge_forward, hinge_backward),
}


def l2_penalty(weights, l2):
    """Return ``l2 * sum of squares`` over a list of weight matrices W (..., d_in, d_out); l2 scalar or (T,).

    The order of summation is fixed here, because NumPy's depends on how an array lies in memory.
    """
    return np.float64(l2) * sum(np.add.reduce(np.multiply(W, W, order="C"), axis=(-1, -2)) for W in weights)
