"""Hand-worked cases of layers, losses and schedules."""

import numpy as np
import pytest

from lib.nn.layers import (
    batch_norm_apply,
    batch_norm_backward,
    batch_norm_forward,
    relu_backward,
    relu_forward,
    shared_product,
)
from lib.nn.losses import l2_gradient, l2_penalty, softmax, softmax_cross_entropy_forward
from lib.nn.schedules import triangular


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


def test_batch_norm_refuses_one_row():
    with pytest.raises(ValueError, match="at least 2 rows"):
        batch_norm_forward(np.ones((1, 3)), np.ones(3), np.zeros(3), 1e-8)


def test_layers_change_no_argument():
    rng = np.random.default_rng(0)
    S, gamma, beta, grad = rng.standard_normal((4, 6, 3)), np.ones(3), np.zeros(3), rng.standard_normal((4, 6, 3))
    before = S.copy(), grad.copy()
    for (_, cache, *_), backward in ((batch_norm_forward(S, gamma, beta, 1e-8), batch_norm_backward),
                                     (relu_forward(S), relu_backward)):  # fmt: skip
        backward(grad, cache)
    np.testing.assert_array_equal(S, before[0])
    np.testing.assert_array_equal(grad, before[1])


def test_cross_entropy_by_hand():
    """Scores ln 1, ln 2, ln 5: probabilities 1/8, 2/8, 5/8; labels 1 and 2 cost ln 4 and ln 8/5."""
    S = np.log([[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]])
    np.testing.assert_allclose(softmax(S)[0], [1 / 8, 2 / 8, 5 / 8])
    loss, (P, _) = softmax_cross_entropy_forward(S, np.array([1, 2]))
    assert loss == pytest.approx((np.log(4) + np.log(8 / 5)) / 2)
    np.testing.assert_allclose(P, softmax(S))


def test_cross_entropy_of_huge_scores_is_finite():
    loss, (P, _) = softmax_cross_entropy_forward(np.array([[1000.0, 0.0, -1000.0]]), np.array([2]))
    assert loss == 2000
    np.testing.assert_array_equal(P, [[1, 0, 0]])


def test_penalty_has_no_one_half():
    W = np.array([[1.0, 2.0], [3.0, 4.0]])  # squares: 1 + 4 + 9 + 16 = 30
    assert l2_penalty([W, W], 0.1) == pytest.approx(6)
    np.testing.assert_allclose(l2_gradient(W, 0.1), 0.2 * W)
    trials = np.stack([W, 2 * W])
    np.testing.assert_allclose(l2_penalty([trials], np.array([1.0, 0.5])), [30, 60])
    np.testing.assert_allclose(l2_gradient(trials, np.array([1.0, 0.5])), [2 * W, 2 * W])


def test_triangular_rate_meets_its_ends_at_multiples_of_n_s():
    for n_s in (1, 500, 2250):
        for cycle in range(3):
            assert triangular(2 * cycle * n_s, 1e-5, 0.1, n_s) == pytest.approx(1e-5)
            assert triangular((2 * cycle + 1) * n_s, 1e-5, 0.1, n_s) == pytest.approx(0.1)
    np.testing.assert_allclose(triangular(np.arange(8), 0.0, 4.0, 4), [0, 1, 2, 3, 4, 3, 2, 1])
    with pytest.raises(ValueError, match="n_s"):
        triangular(0, 0, 1, 0)


@pytest.mark.parametrize("shape", [(100, 3072, 50), (450, 3072, 50), (100, 3072, 10), (7, 40, 3), (1, 5, 1)])
def test_a_shared_product_has_the_bits_of_each_trial_alone(shape):
    n, d_in, d_out = shape
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d_in), dtype=np.float32)
    W, G = (rng.standard_normal((5, rows, d_out), dtype=np.float32) for rows in (d_in, n))
    assert all(np.array_equal(p, X @ w) for p, w in zip(shared_product(X, W), W, strict=True))
    assert all(np.array_equal(p, X.T @ g) for p, g in zip(shared_product(X.T, G), G, strict=True))
