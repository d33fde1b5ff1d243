"""Losses, dropout and batch normalisation after the ReLU: by hand and against finite differences."""

import numpy as np
import pytest

from lib.nn.layers import dropout_backward, dropout_forward
from lib.nn.losses import LOSSES
from lib.nn.network import create, stack

OTHERS = pytest.mark.parametrize("name", ["sigmoid", "hinge"])


def differences(function, array, h=1e-6):
    """Centred differences of a scalar function over every entry of an array that it reads."""
    grad = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        old = array[index]
        array[index] = old + h
        above = function()
        array[index] = old - h
        grad[index] = (above - function()) / (2 * h)
        array[index] = old
    return grad


def close(a, b, within=1e-7):
    assert np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b)) < within


# Losses


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


@OTHERS
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


@OTHERS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_scores_overflow_nowhere(name, dtype):
    """Scores of 1e4: the loss is a sum of them, the gradient at most 1; a right and sure network has almost none."""
    forward, backward = LOSSES[name]
    S = np.full((1, 4), -1e4, dtype)
    S[0, 2] = 1e4
    with np.errstate(all="raise", under="ignore"):
        right, _ = forward(S, np.array([2]))
        wrong, cache = forward(S, np.array([0]))
        grad = backward(1.0, cache)
    assert right == 0
    assert wrong == pytest.approx({"sigmoid": 2e4 / 4, "hinge": 2e4 + 1 + 2}[name], rel=1e-6)
    assert grad[0].tolist() == {"sigmoid": [-0.25, 0, 0.25, 0], "hinge": [-3, 1, 1, 1]}[name]


# Dropout


def test_dropout_keeps_the_mean_and_drops_its_share():
    """40 000 units: their share has a standard deviation of 0.0023."""
    X = np.full((200, 200), 3.0)
    out, _ = dropout_forward(X, 0.3, np.random.default_rng(2))
    assert np.unique(out) == pytest.approx([0, 3 / 0.7])
    assert np.mean(out == 0) == pytest.approx(0.3, abs=0.01)
    assert out.mean() == pytest.approx(3, abs=0.05)
    assert np.all(X == 3)


def test_dropout_backward_goes_through_the_same_mask():
    rng = np.random.default_rng(3)
    X, upstream = rng.standard_normal((5, 4)), rng.standard_normal((5, 4))
    _, mask = dropout_forward(X, 0.4, np.random.default_rng(7))
    numeric = differences(lambda: np.sum(upstream * dropout_forward(X, 0.4, np.random.default_rng(7))[0]), X)
    close(dropout_backward(upstream, mask), numeric)
    assert 0 < np.count_nonzero(numeric) < numeric.size


def test_trials_share_the_dropout_mask():
    """So a trial's numbers do not depend on how many others are trained beside it."""
    X = np.ones((3, 6, 5), np.float32)
    out, _ = dropout_forward(X, 0.5, np.random.default_rng(4))
    alone, _ = dropout_forward(X[0], 0.5, np.random.default_rng(4))
    assert out.dtype == np.float32 and all(np.array_equal(each, alone) for each in out)
    assert not np.array_equal(alone, dropout_forward(X[0], 0.5, np.random.default_rng(5))[0])


# Whole networks


def network(seed, **settings):
    """Return a small float64 network, three hidden layers with batch normalisation, nothing at its initial value."""
    rng = np.random.default_rng(seed)
    made = create((7, 6, 5, 5, 10), "he", rng, batch_norm=True, bias_std=0.3, dtype=np.float64, eps=1e-5, **settings)
    for layer in made.layers[:-1]:
        layer["gamma"] += 0.2 * rng.standard_normal(layer["gamma"].shape)
        layer["beta"] += 0.2 * rng.standard_normal(layer["beta"].shape)
    return made, rng.standard_normal((9, 7)), rng.integers(0, 10, 9)


@pytest.mark.parametrize("drop_rate", [0.0, 0.4], ids=["all units", "dropout"])
@pytest.mark.parametrize("after_relu", [False, True], ids=["BN before ReLU", "BN after ReLU"])
def test_network_against_finite_differences(after_relu, drop_rate):
    """Every parameter; the mask is drawn again by the same seed for every evaluation."""
    made, X, y = network(5, after_relu=after_relu, drop_rate=drop_rate)
    forward, backward = LOSSES["softmax"]

    def loss():
        return forward(made.forward(X, training=True, rng=np.random.default_rng(11))[0], y)[0]

    scores, cache = made.forward(X, training=True, rng=np.random.default_rng(11))
    grads = made.backward(backward(1.0, forward(scores, y)[1]), cache)
    for layer, grad in zip(made.layers, grads, strict=True):
        assert grad.keys() == layer.keys()
        for name, array in layer.items():
            numeric = differences(loss, array, h=1e-5)
            if name == "b" and "gamma" in layer and not after_relu:  # batch norm takes the bias away again
                assert np.abs(grad[name]).max() < 1e-12 and np.abs(numeric).max() < 1e-9
            else:
                close(grad[name], numeric)


def test_what_comes_after_the_relu_by_hand():
    """Hidden units 1 and 2, before and after: normalised negative values are cut by the ReLU only if it comes last."""
    X, eye = np.array([[-1.0, 2.0], [3.0, -2.0]]), {"W": np.eye(2), "b": np.zeros(2)}
    for after_relu, hidden in ((False, [[0, 1], [1, 0]]), (True, [[-1, 1], [1, -1]])):
        made = create((2, 2, 2), "he", np.random.default_rng(0), batch_norm=True, dtype=np.float64, eps=0.0)
        made.after_relu = after_relu
        made.layers[0] |= {name: array.copy() for name, array in eye.items()}
        made.layers[1] |= eye
        assert made.forward(X, training=True)[0] == pytest.approx(np.array(hidden, float), abs=1e-12)


def test_dropout_is_for_training_only():
    """In evaluation nothing is drawn; in training the rng alone decides, and no rng means no dropout."""
    made, X, _ = network(6, drop_rate=0.5)
    _, cache = made.forward(X, training=True, rng=np.random.default_rng(0))
    made.update_averages(cache)
    without, _, _ = network(6)
    without.averages = made.averages
    assert np.array_equal(made.forward(X, training=False)[0], without.forward(X, training=False)[0])
    rng = np.random.default_rng(0)
    made.forward(X, training=False, rng=rng)
    assert rng.random() == np.random.default_rng(0).random()
    one, two, other = (made.forward(X, training=True, rng=np.random.default_rng(s))[0] for s in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    assert np.array_equal(made.forward(X, training=True)[0], without.forward(X, training=True)[0])


def test_each_hidden_layer_has_a_mask_of_its_own_and_the_output_none():
    made, X, _ = network(7, drop_rate=0.5)
    scores, (_, *hidden) = stack([made, made]).forward(X, training=True, rng=np.random.default_rng(0))
    masks = [cache["dropout"] for cache in hidden]
    assert [mask.shape for mask in masks] == [(9, 6), (9, 5), (9, 5)]
    assert not np.array_equal(masks[1], masks[2]) and np.array_equal(*scores)


def test_running_averages_from_zero_by_hand():
    """Batch means 1 and 3 with decay 0.9: from zero 0.1 and 0.39; from the first batch 1 and 1.2; so the variances."""
    batches = [np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]])]  # means 1 and 3, variances 1 and 4
    for from_zero, means, variances in ((True, (0.1, 0.39), (0.1, 0.49)), (False, (1, 1.2), (1, 1.3))):
        made = create((1, 1, 2), 1.0, np.random.default_rng(0), batch_norm=True, dtype=np.float64, from_zero=from_zero)
        made.layers[0] |= {"W": np.eye(1), "b": np.zeros(1)}
        for X, mean, variance in zip(batches, means, variances, strict=True):
            made.update_averages(made.forward(X, training=True)[1])
            assert made.averages[0]["mean"] == pytest.approx(mean) and made.averages[0]["var"] == pytest.approx(
                variance
            )
