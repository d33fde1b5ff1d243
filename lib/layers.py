"""The layers of a fully connected network: pure functions, each backward directly under its forward.

Rows are images: activations are ``(..., n, d)``. The leading axes, if any, count networks ("trials") that are computed
in one pass: ``(T, n, d)`` beside parameters ``(T, d_in, d_out)`` and ``(T, d)``. An input without trial axis, as the
mini-batch itself, is shared by all of them. A trial's numbers do not depend on its neighbours, to the last bit.

``x_forward(...) -> out, cache`` and ``x_backward(grad_out, cache) -> gradients`` in the order of the arguments, where
``grad_out`` is the derivative of the cost with respect to ``out``, of the same shape. Nothing is changed in place.
All arrays are float32 or float64; the result has the type of the arguments.
"""

from functools import cache

import numpy as np


@cache
def _ones(n, dtype):
    return np.ones((1, n), dtype)


def sum_rows(X):
    """Return the sum over the n rows of X (..., n, d) as (..., 1, d).

    As a matrix product, which is four to nine times faster than np.add.reduce for the small arrays here.
    """
    return _ones(X.shape[-2], X.dtype) @ X


def shared_product(A, B):
    """Return ``A @ B`` of A (m, k), which all trials share, and B (T, k, d): (T, m, d), in memory (m, T, d).

    Where it gives the bits of T products, one product of A and all B side by side: it reads and packs A once, which
    takes about a quarter off the time. Else T products.
    """
    T, k, d = B.shape
    out = np.empty((len(A), T, d), B.dtype)
    if _same_bits(A.shape, A.flags.c_contiguous, B.shape, B.dtype):
        np.matmul(A, B.swapaxes(0, 1).reshape(k, T * d), out=out.reshape(len(A), T * d))
    else:
        np.matmul(A, B, out=out.swapaxes(0, 1))
    return out.swapaxes(0, 1)


@cache
def _same_bits(A_shape, by_rows, B_shape, dtype):
    """Whether a product's bits do not depend on what stands beside its right factor; in what order a BLAS adds up
    follows from shapes and kernel alone, so it is tried once.
    """
    rng, (T, k, d) = np.random.default_rng(0), B_shape
    A = rng.standard_normal(A_shape if by_rows else A_shape[::-1], dtype)
    A, B = A if by_rows else A.T, rng.standard_normal((k, T, d), dtype)
    return np.array_equal(A @ B.reshape(k, T * d), np.concatenate(A @ B.swapaxes(0, 1), axis=-1))


def affine_forward(X, W, b):
    """Return ``X @ W + b``.

    X (..., n, d_in); W (..., d_in, d_out); b (..., d_out). Returns out (..., n, d_out), cache.
    """
    shared = X.ndim < W.ndim
    out = np.add(shared_product(X, W) if shared else X @ W, b[..., None, :], order="C")
    return out, (X, W)


def affine_backward(grad_out, cache, needs_input=True):
    """Return the gradients for X, W, b.

    grad_out (..., n, d_out). Returns grad_X (..., n, d_in), one for each trial also where X is shared, or None unless
    ``needs_input`` (nobody asks for the gradient at the pixels, and it would cost half of the step); grad_W, grad_b
    in the shapes of W and b. The sums run over the n rows; dividing by n is the loss's part.
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
    """Normalise each unit over the mini-batch, then scale and shift: batch normalisation in training.

    ``S_hat = (S - mean) / sqrt(var + eps)``, ``out = gamma * S_hat + beta``.

    S (..., n, d) with n > 1; gamma, beta (..., d); eps in units of S squared. Returns out (..., n, d), cache and the
    batch's (mean, var), each (..., d), var with 1/n. Running averages are the caller's: probing a gradient changes no
    state. Raises ValueError for n = 1, where every S_hat would be 0.

    Source: Ioffe & Szegedy 2015, algorithm 1. Departs: at test time the course takes running averages of the
    variance with 1/n, the paper the unbiased one.
    """
    n = S.shape[-2]
    if n < 2:
        raise ValueError("batch normalisation needs at least 2 rows in a mini-batch, got 1")
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
    ``grad_S = (g - mean(g) - S_hat * mean(g * S_hat)) / sqrt(var + eps)``; both means are sums that the gradients of
    beta and gamma need anyhow. grad_out (..., n, d). Source: Ioffe & Szegedy 2015, section 3, simplified.
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

    X (..., n, d); all trials share the mask (n, d) drawn by rng. The scaling keeps the mean, so that nothing need be
    done at test time. Returns out, cache. Source: Srivastava et al. 2014, with the scaling moved to training.
    """
    mask = (rng.random(X.shape[-2:], dtype=np.float32) >= drop_rate).astype(X.dtype)
    mask /= 1 - drop_rate
    return X * mask, mask


def dropout_backward(grad_out, cache):
    """Return the gradient for X: grad_out through the same mask."""
    return grad_out * cache
