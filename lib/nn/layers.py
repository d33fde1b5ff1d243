"""The layers of a fully connected network: pure functions, each backward directly under its forward.

``x_forward(...)`` returns the layer's output and a cache; ``x_backward(grad_out, cache)`` returns the gradients in the
order of the forward's arguments. ``grad_out`` is the derivative of the cost with respect to the output and has its
shape. No function changes its arguments, and float32 and float64 arguments give results of their own type.

Rows are images: X is (n, d). Every array may have a leading axis of T networks ("trials"), which are then computed in
one pass: activations (T, n, d), weights (T, d_in, d_out), biases (T, d_out). An X without that axis, such as the
minibatch itself, is shared by all trials. The numbers of a trial do not depend on the other trials, to the last bit.
"""

import numpy as np

from lib.nn.products import shared_product, sum_rows


def affine_forward(X, W, b):
    """Return ``X @ W + b``, (..., n, d_out), and the cache. X (..., n, d_in); W (..., d_in, d_out); b (..., d_out)."""
    product = shared_product(X, W) if X.ndim < W.ndim else X @ W
    return np.add(product, b[..., None, :], order="C"), (X, W)


def affine_backward(grad_out, cache, needs_input=True):
    """Return the gradients for X, W, b from grad_out (..., n, d_out).

    The gradient for X has a trial axis even if X has none; with ``needs_input=False`` it is None, which saves half of
    the first layer's time. The sums run over the n rows; it is the loss that divides by n.
    """
    X, W = cache
    grad_X = grad_out @ W.swapaxes(-1, -2) if needs_input else None
    grad_W = shared_product(X.T, grad_out) if X.ndim < W.ndim else X.swapaxes(-1, -2) @ grad_out
    return grad_X, grad_W, sum_rows(grad_out)[..., 0, :]


def relu_forward(X):
    """Return ``max(X, 0)``, elementwise, and the cache; X of any shape."""
    return np.maximum(X, 0), X


def relu_backward(grad_out, cache):
    """Return the gradient for X: grad_out where X was positive, and 0 elsewhere (at 0 too, as in the course)."""
    return grad_out * (cache > 0)


def batch_norm_forward(S, gamma, beta, eps):
    """Normalise each unit over the minibatch, then scale and shift: batch normalisation during training.

    ``S_hat = (S - mean) / sqrt(var + eps)``, ``out = gamma * S_hat + beta``. S (..., n, d) with n > 1; gamma, beta
    (..., d); eps in units of S squared. Returns out (..., n, d), the cache, and the minibatch's (mean, var), each
    (..., d), from which the network makes the running averages. Raises ValueError for n = 1, for which every S_hat
    would be 0. Source: Ioffe & Szegedy 2015, algorithm 1. Departure: the course puts the variance with 1/n into the
    running average, the paper the unbiased one with 1/(n - 1).
    """
    n = S.shape[-2]
    if n < 2:
        raise ValueError("batch normalisation needs at least 2 images in a minibatch, got 1")
    mean = sum_rows(S) / n
    S_hat = S - mean
    var = sum_rows(S_hat * S_hat) / n
    inverse_std = 1 / np.sqrt(var + eps)
    S_hat *= inverse_std
    out = S_hat * gamma[..., None, :]
    out += beta[..., None, :]
    return out, (S_hat, inverse_std, gamma), (mean[..., 0, :], var[..., 0, :])


def batch_norm_backward(grad_out, cache):
    """Return the gradients for S, gamma, beta from grad_out (..., n, d).

    With g = grad_out * gamma and means over the n rows,
    ``grad_S = (g - mean(g) - S_hat * mean(g * S_hat)) / sqrt(var + eps)``. The sums in the two means are the gradients
    of beta and gamma. Source: Ioffe & Szegedy 2015, section 3, simplified.
    """
    S_hat, inverse_std, gamma = cache
    n = grad_out.shape[-2]
    grad_beta = sum_rows(grad_out)
    grad_gamma = sum_rows(grad_out * S_hat)
    grad_S = S_hat * (grad_gamma / -n)
    grad_S += grad_out
    grad_S -= grad_beta / n
    grad_S *= inverse_std * gamma[..., None, :]
    return grad_S, grad_gamma[..., 0, :], grad_beta[..., 0, :]


def batch_norm_apply(S, gamma, beta, mean, var, eps):
    """Return S (..., n, d) normalised with the given mean and var (..., d): batch normalisation at test time."""
    scale = gamma / np.sqrt(var + eps)
    out = S * scale[..., None, :]
    out += (beta - mean * scale)[..., None, :]
    return out


def dropout_forward(X, drop_rate, rng):
    """Set each unit to 0 with probability ``drop_rate``, scale the others by 1 / (1 - drop_rate): inverted dropout.

    X (..., n, d); rng draws one mask (n, d) for all trials. Returns out and the cache. The scaling keeps the mean of X,
    so that nothing remains to be done at test time. Source: Srivastava et al. 2014, who scale at test time instead.
    """
    mask = (rng.random(X.shape[-2:], dtype=np.float32) >= drop_rate).astype(X.dtype)
    mask /= 1 - drop_rate
    return X * mask, mask


def dropout_backward(grad_out, cache):
    """Return the gradient for X: grad_out through the same mask."""
    return grad_out * cache
