"""What is minimised: J = mean cross-entropy + lambda * sum of all squared weights (no one-half, no biases).

"Loss" is the cross-entropy alone, "cost" is J. Scores are ``(..., n, K)``; leading axes count trials, see layers.
"""

import numpy as np


def softmax(S):
    """Return the probabilities ``exp(S) / sum(exp(S))`` over the last axis, in the shape of S (..., n, K)."""
    P = S - np.max(S, axis=-1, keepdims=True)  # the largest exponent is 0: no overflow
    np.exp(P, out=P)
    P /= np.add.reduce(P, axis=-1, keepdims=True)
    return P


def softmax_cross_entropy_forward(S, y):
    """Return the mean of ``-log softmax(S)[y]`` over the n images.

    S (..., n, K) scores; y (n,) integer labels, shared by all trials. Returns loss (...), in nats, and the cache.
    The logarithm is taken of the sum, not of a probability that may have become 0.
    """
    shifted = S - np.max(S, axis=-1, keepdims=True)
    P = np.exp(shifted)
    total = np.add.reduce(P, axis=-1, keepdims=True)
    rows = np.arange(len(y))
    loss = np.mean(np.log(total[..., 0]) - shifted[..., rows, y], axis=-1)
    P /= total
    return loss, (P, y)


def softmax_cross_entropy_backward(grad_out, cache):
    """Return the gradient for S: ``grad_out * (P - Y) / n`` with Y the one-hot labels; grad_out (...), often 1."""
    P, y = cache
    grad_S = P.copy()
    grad_S[..., np.arange(len(y)), y] -= 1
    grad_S *= np.asarray(grad_out, P.dtype)[..., None, None] / len(y)
    return grad_S


def l2_penalty(weights, l2):
    """Return ``l2 * sum of squares`` over a list of weight matrices W (..., d_in, d_out); l2 scalar or (T,)."""
    return l2 * sum(np.add.reduce(W * W, axis=(-1, -2)) for W in weights)


def l2_gradient(W, l2):
    """Return the gradient of the penalty for one W (..., d_in, d_out): ``2 * l2 * W``; l2 scalar or (T,)."""
    return W * (2 * np.asarray(l2, W.dtype))[..., None, None]
