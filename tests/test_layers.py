"""Each layer: worked by hand, and every backward against finite differences with random upstream gradients."""

import numpy as np
import pytest
from conftest import away_from_zero, close, differences

from lib.nn.layers import (
    affine_backward,
    affine_forward,
    batch_norm_apply,
    batch_norm_backward,
    batch_norm_forward,
    dropout_backward,
    dropout_forward,
    relu_backward,
    relu_forward,
)


def drop(X):
    return dropout_forward(X, 0.4, np.random.default_rng(7))


LAYERS = {
    "affine": (affine_forward, affine_backward, [(5, 4), (4, 3), (3,)]),
    "relu": (relu_forward, relu_backward, [(5, 4)]),
    "batch norm": (lambda S, g, b: batch_norm_forward(S, g, b, 1e-5)[:2], batch_norm_backward, [(7, 4), (4,), (4,)]),
    "dropout": (drop, dropout_backward, [(5, 4)]),
}


@pytest.mark.parametrize("trials", [(), (3,)], ids=["one network", "3 trials"])
@pytest.mark.parametrize(("forward", "backward", "shapes"), LAYERS.values(), ids=LAYERS)
def test_backward_against_finite_differences(forward, backward, shapes, trials):
    rng = np.random.default_rng(1)
    arrays = [away_from_zero(rng, trials + shape) for shape in shapes]
    before = [array.copy() for array in arrays]
    out, cache = forward(*arrays)
    upstream = rng.standard_normal(out.shape)
    same_upstream = upstream.copy()
    analytic = backward(upstream, cache)
    analytic = analytic if isinstance(analytic, tuple) else (analytic,)
    for array, gradient in zip(arrays, analytic, strict=True):
        close(gradient, differences(lambda: np.sum(forward(*arrays)[0] * upstream), array))
    for array, old in zip([*arrays, upstream], [*before, same_upstream], strict=True):
        np.testing.assert_array_equal(array, old, err_msg="a layer must not change its arguments")


@pytest.mark.parametrize(("forward", "backward", "shapes"), LAYERS.values(), ids=LAYERS)
def test_float32_stays_float32(forward, backward, shapes):
    out, cache = forward(*(np.ones(shape, np.float32) for shape in shapes))
    gradients = backward(out, cache)
    assert {a.dtype for a in (out, *(gradients if isinstance(gradients, tuple) else (gradients,)))} == {np.dtype("f4")}


def test_affine_by_hand():
    out, cache = affine_forward(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]]), np.array([0.5, -1.0]))
    assert out.tolist() == [[13.5, 15.0]]
    grad_X, grad_W, grad_b = affine_backward(np.array([[1.0, -1.0]]), cache)
    assert grad_X.tolist() == [[-1, -1]] and grad_W.tolist() == [[1, -1], [2, -2]] and grad_b.tolist() == [1, -1]
    assert affine_backward(np.array([[1.0, -1.0]]), cache, needs_input=False)[0] is None


def test_an_input_shared_by_trials_has_one_gradient_for_each():
    rng = np.random.default_rng(2)
    X, W, b = rng.standard_normal((5, 4)), rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 3))
    out, cache = affine_forward(X, W, b)
    upstream = rng.standard_normal(out.shape)
    for t in range(2):
        alone, its_cache = affine_forward(X, W[t], b[t])
        np.testing.assert_array_equal(out[t], alone)
        for a, b_ in zip(affine_backward(upstream, cache), affine_backward(upstream[t], its_cache), strict=True):
            np.testing.assert_array_equal(a[t], b_)


def test_relu_has_no_gradient_at_zero():
    out, cache = relu_forward(np.array([-1.0, 0.0, 2.0]))
    assert out.tolist() == [0, 0, 2] and relu_backward(np.full(3, 5.0), cache).tolist() == [0, 0, 5]


def test_batch_norm_by_hand():
    """Two rows 1 and 5: mean 3, variance ((-2)^2 + 2^2) / 2 = 4; with eps = 5 the divisor is 3, S_hat = -2/3, 2/3."""
    S, gamma, beta = np.array([[1.0], [5.0]]), np.array([3.0]), np.array([10.0])
    out, cache, (mean, var) = batch_norm_forward(S, gamma, beta, 5.0)
    assert (mean.item(), var.item()) == (3, 4)
    np.testing.assert_allclose(out, [[8.0], [12.0]])
    # upstream (1, 0): g = (3, 0), mean(g) = 1.5, mean(g * S_hat) = -1; (g - 1.5 + S_hat) / 3 = (5/18, -5/18)
    grad_S, grad_gamma, grad_beta = batch_norm_backward(np.array([[1.0], [0.0]]), cache)
    np.testing.assert_allclose(grad_S, [[5 / 18], [-5 / 18]])
    assert (grad_gamma.item(), grad_beta.item()) == (pytest.approx(-2 / 3), 1)
    np.testing.assert_allclose(batch_norm_apply(S, gamma, beta, mean, var, 5.0), out)


def test_batch_norm_with_given_statistics_by_hand():
    """(3 - 1) / sqrt(7 + 2) * 6 + 5, whatever the other rows are."""
    six, five, one, seven = (np.array([value]) for value in (6.0, 5.0, 1.0, 7.0))
    assert batch_norm_apply(np.array([[3.0], [1.0]]), six, five, one, seven, 2.0).tolist() == [[9], [5]]


def test_batch_norm_refuses_one_row():
    with pytest.raises(ValueError, match="at least 2 images in a minibatch, got 1"):
        batch_norm_forward(np.ones((1, 3)), np.ones(3), np.zeros(3), 1e-8)


def test_dropout_keeps_the_mean_and_drops_its_share():
    """40 000 units: their share has a standard deviation of 0.0023."""
    X = np.full((200, 200), 3.0)
    out, _ = dropout_forward(X, 0.3, np.random.default_rng(2))
    assert np.unique(out) == pytest.approx([0, 3 / 0.7])
    assert np.mean(out == 0) == pytest.approx(0.3, abs=0.01) and out.mean() == pytest.approx(3, abs=0.05)


def test_trials_share_the_dropout_mask():
    """So a trial's numbers do not depend on how many others are trained beside it."""
    X = np.ones((3, 6, 5), np.float32)
    out, _ = dropout_forward(X, 0.5, np.random.default_rng(4))
    alone, _ = dropout_forward(X[0], 0.5, np.random.default_rng(4))
    assert all(np.array_equal(each, alone) for each in out)
    assert not np.array_equal(alone, dropout_forward(X[0], 0.5, np.random.default_rng(5))[0])
