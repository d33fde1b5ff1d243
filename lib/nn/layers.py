"""The layers of a fully connected network: pure functions, each backward directly under its forward.

Every layer is a pair. ``x_forward(...)`` returns its output and a cache; ``x_backward(grad_out, cache)`` returns the
gradients in the order of the forward's arguments. ``grad_out`` is the derivative of the cost with respect to the output
and has its shape. No function changes its arguments.

Rows are images: X is (n, d). Every array may carry a leading axis of T networks ("trials"), which are then computed in
one pass: activations (T, n, d), weights (T, d_in, d_out), biases (T, d_out). An X without that axis, such as the
minibatch itself, is shared by all trials. A trial's numbers do not depend on its neighbours, to the last bit.

Arrays are float32 or float64, and the result has the type of the arguments.
"""

import numpy as np

from lib.nn.products import shared_product, sum_rows


def affine_forward(X, W, b):
    """Return ``X @ W + b``.

    X (..., n, d_in); W (..., d_in, d_out); b (..., d_out). Returns out (..., n, d_out), cache.
    """
    product = shared_product(X, W) if X.ndim < W.ndim else X @ W
    return np.add(product, b[..., None, :], order="C"), (X, W)


def affine_backward(grad_out, cache, needs_input=True):
    """Return the gradients for X, W, b.

    grad_out (..., n, d_out). Returns grad_X (..., n, d_in), which has a trial axis even where X has none, and grad_W and
    grad_b in the shapes of W and b. With ``needs_input=False`` grad_X is None: the first layer does not need the
    gradient at the pixels, which would take half of the time. The sums run over the n rows; the loss has already
    divided by n.
    """
    X, W = cache
    grad_X = grad_out @ W.swapaxes(-1, -2) if needs_input else None
    grad_W = shared_product(X.T, grad_out) if X.ndim < W.ndim else X.swapaxes(-1, -2) @ grad_out
    return grad_X, grad_W, sum_rows(grad_out)[..., 0, :]


def relu_forward(X):
    """Return ``max(X, 0)`` element by element and the cache; X of any shape."""
    return np.maximum(X, 0), X


def relu_backward(grad_out, cache):
    """Return the gradient for X: grad_out where X was positive, 0 elsewhere (also at 0, as the course has it)."""
    return grad_out * (cache > 0)


def batch_norm_forward(S, gamma, beta, eps):
    """Normalise each unit over the minibatch, then scale and shift: batch normalisation in training.

    ``S_hat = (S - mean) / sqrt(var + eps)``, ``out = gamma * S_hat + beta``.

    S (..., n, d) with n > 1; gamma, beta (..., d); eps in units of S squared. Returns out (..., n, d), the cache, and the
    minibatch's (mean, var), each (..., d), the variance with 1/n. Running averages are kept by the network, not here, so
    that checking a gradient changes no state. Raises ValueError for n = 1, where every S_hat would be 0.

    Source: Ioffe & Szegedy 2015, algorithm 1. Departure: for the running average the course uses the variance with 1/n,
    the paper the unbiased one with 1/(n - 1).
    """
    n = S.shape[-2]
    if n < 2:
        raise ValueError("batch normalisation needs at least 2 images in a minibatch, got 1")
    mean = sum_rows(S)
    mean /= n
    S_hat = S - mean
    var = sum_rows(S_hat * S_hat)
    var /= n
    inverse_std = 1 / np.sqrt(var + eps)
    S_hat *= inverse_std
    out = S_hat * gamma[..., None, :]
    out += beta[..., None, :]
    return out, (S_hat, inverse_std, gamma), (mean[..., 0, :], var[..., 0, :])


def batch_norm_backward(grad_out, cache):
    """Return the gradients for S, gamma, beta.

    With g = grad_out * gamma and means over the n rows,
    ``grad_S = (g - mean(g) - S_hat * mean(g * S_hat)) / sqrt(var + eps)``. The sums in both means are the gradients of
    beta and gamma. grad_out (..., n, d). Source: Ioffe & Szegedy 2015, section 3, simplified.
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
    """Normalise with given statistics, row by row: batch normalisation at test time.

    S (..., n, d); gamma, beta, mean, var (..., d). Returns (..., n, d).
    """
    scale = gamma / np.sqrt(var + eps)
    out = S * scale[..., None, :]
    out += (beta - mean * scale)[..., None, :]
    return out


def dropout_forward(X, drop_rate, rng):
    """Set each unit to 0 with probability ``drop_rate`` and scale the rest by 1 / (1 - drop_rate): inverted dropout.

    X (..., n, d); all trials share the mask (n, d), which is drawn from rng. The scaling keeps the mean of X, so the
    layer does nothing at test time. Returns out, cache. Source: Srivastava et al. 2014, with the scaling moved to training.
    """
    mask = (rng.random(X.shape[-2:], dtype=np.float32) >= drop_rate).astype(X.dtype)
    mask /= 1 - drop_rate
    return X * mask, mask


def dropout_backward(grad_out, cache):
    """Return the gradient for X: grad_out through the same mask."""
    return grad_out * cache
