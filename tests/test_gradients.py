"""Every backward against finite differences and automatic differentiation, in float64, random upstream gradients."""

import numpy as np
import pytest

from lib.gradcheck import autodiff_gradients, errors, gradients, numerical_gradients
from lib.nn.layers import (
    affine_backward,
    affine_forward,
    batch_norm_backward,
    batch_norm_forward,
    relu_backward,
    relu_forward,
)
from lib.nn.losses import softmax_cross_entropy_backward, softmax_cross_entropy_forward
from lib.nn.network import create


def numerical(function, arrays, upstream, h=1e-6):
    """Centred differences of sum(function(*arrays) * upstream) over every entry of every array."""
    grads = [np.zeros_like(a) for a in arrays]
    for array, grad in zip(arrays, grads, strict=True):
        for index in np.ndindex(array.shape):
            old = array[index]
            array[index] = old + h
            above = np.sum(function(*arrays) * upstream)
            array[index] = old - h
            below = np.sum(function(*arrays) * upstream)
            array[index] = old
            grad[index] = (above - below) / (2 * h)
    return grads


def away_from_zero(rng, shape):
    """Random numbers that no step of a finite difference carries across the kink of the ReLU."""
    return rng.choice([-1, 1], shape) * rng.uniform(0.1, 2, shape)


def close(a, b):
    assert np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b)) < 1e-7


@pytest.mark.parametrize("trials", [(), (3,)], ids=["one network", "3 trials"])
@pytest.mark.parametrize(
    "forward, backward, shapes",
    [
        (affine_forward, affine_backward, [(5, 4), (4, 3), (3,)]),
        (relu_forward, relu_backward, [(5, 4)]),
        (lambda S, g, b: batch_norm_forward(S, g, b, 1e-5)[:2], batch_norm_backward, [(7, 4), (4,), (4,)]),
    ],
    ids=["affine", "relu", "batch norm"],
)
def test_layer_alone(forward, backward, shapes, trials):
    rng = np.random.default_rng(1)
    arrays = [away_from_zero(rng, trials + shape) for shape in shapes]
    out, cache = forward(*arrays)
    upstream = rng.standard_normal(out.shape)
    analytic = backward(upstream, cache)
    analytic = analytic if isinstance(analytic, tuple) else (analytic,)
    for a, b in zip(analytic, numerical(lambda *x: forward(*x)[0], arrays, upstream), strict=True):
        close(a, b)


def test_shared_input_of_an_affine_layer():
    """An X without trial axis has one gradient for each trial."""
    rng = np.random.default_rng(2)
    X, W, b = rng.standard_normal((5, 4)), rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 3))
    out, cache = affine_forward(X, W, b)
    upstream = rng.standard_normal(out.shape)
    for t in range(2):
        _, alone = affine_forward(X, W[t], b[t])
        for together, single in zip(affine_backward(upstream, cache), affine_backward(upstream[t], alone), strict=True):
            np.testing.assert_array_equal(together[t], single)


def test_cross_entropy_with_an_upstream_gradient():
    rng = np.random.default_rng(3)
    S, y = rng.standard_normal((2, 6, 10)), rng.integers(0, 10, 6)
    upstream = rng.standard_normal(2)
    _, cache = softmax_cross_entropy_forward(S, y)
    analytic = softmax_cross_entropy_backward(upstream, cache)
    close(analytic, *numerical(lambda s: softmax_cross_entropy_forward(s, y)[0], [S], upstream))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("hidden", [(), (7,), (7, 6), (8, 6, 5), (7,) * 8], ids=lambda h: f"{len(h) + 1} layers")
def test_stack(hidden, batch_norm):
    """Whole networks, an affine layer before and after every batch norm, penalty included."""
    rng = np.random.default_rng(4)
    network = create((9, *hidden, 10), "he", rng, batch_norm=batch_norm, dtype=np.float64, eps=1e-8)
    for layer in network.layers:
        for name, array in layer.items():
            array += 0.1 * rng.standard_normal(array.shape) if name != "W" else 0
    X, y, l2 = rng.standard_normal((12, 9)), rng.integers(0, 10, 12), 0.1
    analytic = gradients(network, X, y, l2)
    numeric, automatic = numerical_gradients(network, X, y, l2), autodiff_gradients(network, X, y, l2)
    for index, layer in enumerate(analytic):
        for name, grad in layer.items():
            if name == "b" and "gamma" in layer:  # batch norm takes the bias away again
                assert np.abs(grad).max() < 1e-12
                continue
            assert errors(grad, numeric[index][name])["norm"] < 1e-7, (index, name)
            assert errors(grad, automatic[index][name])["norm"] < 1e-12, (index, name)


def test_forward_differences_are_coarser_than_centred_ones():
    rng = np.random.default_rng(5)
    network = create((6, 5, 10), "he", rng, dtype=np.float64)
    X, y = rng.standard_normal((4, 6)), rng.integers(0, 10, 4)
    analytic = gradients(network, X, y, 0.0)[0]["W"]
    forward = errors(analytic, numerical_gradients(network, X, y, 0.0, centred=False)[0]["W"])["norm"]
    centred = errors(analytic, numerical_gradients(network, X, y, 0.0)[0]["W"])["norm"]
    assert centred < 1e-7 < forward < 1e-4


def test_error_measures_by_hand():
    """a = (1, 2), b = (1, 4): difference (0, 2), sums (2, 6), norms sqrt(5) and sqrt(17)."""
    measured = errors(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    assert measured["absolute"] == 2
    assert measured["relative"] == pytest.approx(2 / 6)
    assert measured["relative_max"] == pytest.approx(2 / 4)
    assert measured["norm"] == pytest.approx(2 / (5**0.5 + 17**0.5))
    assert measured["mean"] == pytest.approx(1 / 6)
    assert errors(np.full(3, 1e-17), np.zeros(3))["relative"] == 0
