"""Losses and the penalty: worked by hand, against finite differences, without overflow."""

import numpy as np
import pytest
from conftest import close, differences

from lib.nn.losses import LOSSES, l2_penalty


@pytest.mark.parametrize("trials", [(), (3,)], ids=["one network", "3 trials"])
@pytest.mark.parametrize("name", LOSSES)
def test_backward_against_finite_differences(name, trials):
    """With a random upstream gradient for each trial; no margin of the hinge lies within a step of its kink."""
    rng = np.random.default_rng(0)
    forward, backward = LOSSES[name]
    S, y = 2 * rng.standard_normal((*trials, 6, 10)), rng.integers(0, 10, 6)
    loss, cache = forward(S, y)
    upstream = rng.standard_normal(trials)
    assert loss.shape == trials
    close(backward(upstream, cache), differences(lambda: np.sum(upstream * forward(S, y)[0]), S))


@pytest.mark.parametrize("name", LOSSES)
def test_trials_are_computed_as_if_alone(name):
    rng = np.random.default_rng(1)
    forward, backward = LOSSES[name]
    S, y = rng.standard_normal((3, 5, 10)).astype(np.float32), rng.integers(0, 10, 5)
    together, cache = forward(S, y)
    assert together.dtype == backward(1.0, cache).dtype == np.float32
    for trial in range(3):
        alone, its_cache = forward(S[trial], y)
        assert together[trial] == alone
        assert np.array_equal(backward(1.0, cache)[trial], backward(1.0, its_cache))


def test_softmax_by_hand():
    """Scores ln 1, ln 2, ln 5: probabilities 1/8, 2/8, 5/8; labels 1 and 2 cost ln 4 and ln 8/5."""
    forward, backward = LOSSES["softmax"]
    loss, cache = forward(np.log([[1.0, 2.0, 5.0]] * 2), np.array([1, 2]))
    assert loss == pytest.approx((np.log(4) + np.log(8 / 5)) / 2, rel=1e-14)
    np.testing.assert_allclose(backward(2.0, cache), [[1 / 8, -6 / 8, 5 / 8], [1 / 8, 2 / 8, -3 / 8]])


def test_sigmoid_by_hand():
    """Scores 0 and ln 3, the second class true: -(ln 1/2 + ln 3/4) / 2; gradients (1/2, 3/4 - 1) / 2."""
    forward, backward = LOSSES["sigmoid"]
    loss, cache = forward(np.array([[0.0, np.log(3)]]), np.array([1]))
    assert loss == pytest.approx((np.log(2) + np.log(4 / 3)) / 2, rel=1e-14)
    assert backward(1.0, cache) == pytest.approx(np.array([[0.25, -0.125]]), rel=1e-14)
    # the same image twice has the same mean loss, and half of the gradient each
    twice, cache = forward(np.array([[0.0, np.log(3)]] * 2), np.array([1, 1]))
    assert twice == pytest.approx(float(loss), rel=1e-14)
    assert backward(2.0, cache) == pytest.approx(np.array([[0.25, -0.125]] * 2), rel=1e-14)


def test_hinge_by_hand():
    """True class 0 with score 2: margins 0.5, 2 and 0 - 2 + 1 < 0; the second image is safe."""
    forward, backward = LOSSES["hinge"]
    loss, cache = forward(np.array([[2, 1.5, 3, 0], [0, 9, 1, 2.0]]), np.array([0, 1]))
    assert loss == pytest.approx((0.5 + 2) / 2, rel=1e-14)
    assert backward(1.0, cache).tolist() == [[-1, 0.5, 0.5, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_huge_scores_do_not_overflow(name, dtype):
    """Scores of 1e4: the loss is a sum of them, the gradient at most 1; a right and sure network has almost none."""
    forward, backward = LOSSES[name]
    S = np.full((1, 4), -1e4, dtype)
    S[0, 2] = 1e4
    with np.errstate(all="raise", under="ignore"):
        right, _ = forward(S, np.array([2]))
        wrong, cache = forward(S, np.array([0]))
        gradient = backward(1.0, cache)
    assert right == 0
    assert wrong == pytest.approx({"softmax": 2e4, "sigmoid": 2e4 / 4, "hinge": 2e4 + 1 + 2}[name], rel=1e-6)
    wanted = {"softmax": [-1, 0, 1, 0], "sigmoid": [-0.25, 0, 0.25, 0], "hinge": [-3, 1, 1, 1]}
    assert gradient[0].tolist() == wanted[name]


def test_the_penalty_has_no_one_half_and_sums_over_layers():
    W = np.array([[1.0, 2.0], [3.0, 4.0]])  # squares: 1 + 4 + 9 + 16 = 30
    assert l2_penalty([W, W], 0.1) == pytest.approx(6)
    np.testing.assert_allclose(l2_penalty([np.stack([W, 2 * W])], np.array([1.0, 0.5])), [30, 60])


def test_the_penalty_does_not_depend_on_the_layout_in_memory():
    W = np.random.default_rng(0).standard_normal((3, 700, 50)).astype(np.float32)
    turned = W.swapaxes(0, 1).copy().swapaxes(0, 1)
    assert turned.strides != W.strides
    np.testing.assert_array_equal(l2_penalty([W], 0.3), l2_penalty([turned], 0.3))
