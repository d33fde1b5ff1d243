"""Whole networks: initial weights, forward, backward, running averages, dropout, state."""

import numpy as np
import pytest
from conftest import close, differences

from lib.nn import training
from lib.nn.losses import LOSSES
from lib.nn.network import Network, create, stack
from workbook.runs.experiment import NINE_LAYERS


def small(seed, **settings):
    """Return a float64 network of three hidden layers with batch norm, nothing at its initial value, images, labels."""
    rng = np.random.default_rng(seed)
    made = create((7, 6, 5, 5, 10), "he", rng, batch_norm=True, bias_std=0.3, dtype=np.float64, eps=1e-5, **settings)
    for layer in made.layers[:-1]:
        layer["gamma"] += 0.2 * rng.standard_normal(layer["gamma"].shape)
        layer["beta"] += 0.2 * rng.standard_normal(layer["beta"].shape)
    return made, rng.standard_normal((9, 7)), rng.integers(0, 10, 9)


def one_unit(**settings):
    """Return a network whose only hidden unit has the input as its affine output."""
    made = create((1, 1, 2), 1.0, np.random.default_rng(0), batch_norm=True, dtype=np.float64, **settings)
    made.layers[0] |= {"W": np.eye(1), "b": np.zeros(1)}
    return made


# Initial weights


@pytest.mark.parametrize(("init", "first"), [("he", np.sqrt(2 / 3072)), ("xavier", np.sqrt(1 / 3072)), (0.3, 0.3)])
def test_initial_weights_have_the_spread_asked_for(init, first):
    network = create((3072, 100, 100, 10), init, np.random.default_rng(0), bias_std=0.2)
    assert network.layers[0]["W"].std() == pytest.approx(first, rel=0.01)
    second = first if init == 0.3 else first * np.sqrt(3072 / 100)
    assert network.layers[1]["W"].std() == pytest.approx(second, rel=0.05)
    assert np.concatenate([layer["b"] for layer in network.layers]).std() == pytest.approx(0.2, rel=0.2)


def test_biases_start_at_zero_and_batch_norm_at_the_identity_in_hidden_layers():
    network = create((5, 4, 3, 2), "he", np.random.default_rng(0), batch_norm=True)
    assert [set(layer) for layer in network.layers] == [{"W", "b", "gamma", "beta"}] * 2 + [{"W", "b"}]
    assert not any(layer["b"].any() for layer in network.layers)
    assert all((layer["gamma"] == 1).all() and not layer["beta"].any() for layer in network.layers[:2])


def test_both_types_start_at_the_same_point():
    wide, narrow = (create((5, 4, 2), "he", np.random.default_rng(3), dtype=t) for t in (np.float64, np.float32))
    for a, b in zip(wide.layers, narrow.layers, strict=True):
        assert b["W"].dtype == np.float32 and np.array_equal(a["W"].astype(np.float32), b["W"])


def test_an_unknown_initialisation_is_refused():
    with pytest.raises(ValueError, match="he, xavier or a standard deviation, got 'lecun'"):
        create((5, 2), "lecun", np.random.default_rng(0))


@pytest.mark.parametrize("batch_norm", [False, True], ids=["no BN", "BN"])
@pytest.mark.parametrize("hidden", [(50, 50), NINE_LAYERS], ids=["3 layers", "9 layers"])
def test_small_weights_start_at_the_logarithm_of_ten(parts, hidden, batch_norm):
    """All classes are equally likely as long as the last layer's weights are small."""
    network = create((3072, *hidden, 10), 1e-3, np.random.default_rng(0), batch_norm=batch_norm)
    loss = training.evaluate(network, parts.train, 0.0, statistics="set")["loss"]
    assert loss == pytest.approx(np.log(10), abs=0.01)


# Forward and backward


@pytest.mark.parametrize("drop_rate", [0.0, 0.4], ids=["all units", "dropout"])
@pytest.mark.parametrize("after_relu", [False, True], ids=["BN before ReLU", "BN after ReLU"])
def test_every_parameter_against_finite_differences(after_relu, drop_rate):
    """The mask is drawn again by the same seed for every evaluation."""
    made, X, y = small(5, after_relu=after_relu, drop_rate=drop_rate)
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


SWITCHES = {
    "plain": {},
    "BN": {"batch_norm": True},
    "BN after ReLU": {"batch_norm": True, "after_relu": True},
    "dropout": {"drop_rate": 0.3},
    "BN and dropout": {"batch_norm": True, "drop_rate": 0.3},
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
def test_nine_layers_along_a_random_direction(parts, switches, loss):
    """At the real input size, (J(x + h v) - J(x - h v)) / 2h for a random unit vector v is the gradient times v."""
    rng, widths, h = np.random.default_rng(8), (3072, *NINE_LAYERS, 10), 1e-6
    network = create(widths, "he", rng, bias_std=0.1, dtype=np.float64, **switches)
    X, y = parts.train.batch(slice(0, 60), dtype=np.float64), parts.train.labels[:60]
    grads, _ = training.gradients(network, X, y, loss=loss, rng=np.random.default_rng(1))
    v = [{name: rng.standard_normal(array.shape) for name, array in layer.items()} for layer in network.layers]
    pairs = [(g[name], d[name]) for g, d in zip(grads, v, strict=True) for name in g]
    length = np.sqrt(sum(np.sum(d * d) for _, d in pairs))
    slope = sum(np.sum(g * d) for g, d in pairs) / length

    def loss_at(step):
        moved = create(widths, "he", rng, dtype=np.float64, **switches)
        moved.layers = [{name: layer[name] + step / length * d[name] for name in layer}
                        for layer, d in zip(network.layers, v, strict=True)]  # fmt: skip
        S, _ = moved.forward(X, training=True, rng=np.random.default_rng(1))  # the same units dropped
        return LOSSES[loss][0](S, y)[0]

    assert abs(slope) > 1e-4
    assert (loss_at(h) - loss_at(-h)) / (2 * h) == pytest.approx(slope, rel=1e-5)


def test_batch_norm_before_and_after_the_relu_by_hand():
    """Two hidden units: normalised negative values are cut by the ReLU only if it comes last."""
    X, eye = np.array([[-1.0, 2.0], [3.0, -2.0]]), {"W": np.eye(2), "b": np.zeros(2)}
    for after_relu, hidden in ((False, [[0, 1], [1, 0]]), (True, [[-1, 1], [1, -1]])):
        layers = [eye | {"gamma": np.ones(2), "beta": np.zeros(2)}, eye]
        made = Network(layers, eps=0.0, after_relu=after_relu)
        assert made.forward(X, training=True)[0] == pytest.approx(np.array(hidden, float), abs=1e-12)


def test_images_of_another_width_are_refused():
    made, X, _ = small(6)
    with pytest.raises(ValueError, match=r"takes rows of 7 numbers, got X of shape \(9, 5\)"):
        made.forward(X[:, :5], training=True)


# Dropout


def test_dropout_is_for_training_only():
    """In evaluation nothing is drawn; in training the rng alone decides."""
    made, X, _ = small(6, drop_rate=0.5)
    _, cache = made.forward(X, training=True, rng=np.random.default_rng(0))
    made.update_averages(cache)
    without, _, _ = small(6)
    without.averages = made.averages
    assert np.array_equal(made.forward(X, training=False)[0], without.forward(X, training=False)[0])
    rng = np.random.default_rng(0)
    made.forward(X, training=False, rng=rng)
    assert rng.random() == np.random.default_rng(0).random()
    one, two, other = (made.forward(X, training=True, rng=np.random.default_rng(s))[0] for s in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, other)


def test_dropout_without_an_rng_is_refused():
    made, X, _ = small(6, drop_rate=0.5)
    with pytest.raises(ValueError, match="a network with dropout needs rng"):
        made.forward(X, training=True)


def test_each_hidden_layer_has_a_mask_of_its_own_and_the_output_none():
    made, X, _ = small(7, drop_rate=0.5)
    scores, (_, *hidden) = stack([made, made]).forward(X, training=True, rng=np.random.default_rng(0))
    masks = [cache["dropout"] for cache in hidden]
    assert [mask.shape for mask in masks] == [(9, 6), (9, 5), (9, 5)]
    assert not np.array_equal(masks[1], masks[2]) and np.array_equal(*scores)


# Running averages


@pytest.mark.parametrize(
    ("from_zero", "means", "variances"), [(True, (0.1, 0.39), (0.1, 0.49)), (False, (1, 1.2), (1, 1.3))]
)
def test_running_averages_by_hand(from_zero, means, variances):
    """Means 1 and 3, variances 1 and 4, decay 0.9; they start at 0 or at the first minibatch's statistics."""
    made, batches, caches = one_unit(from_zero=from_zero), ([[0.0], [2.0]], [[1.0], [5.0]]), []
    assert made.averages == [{}]
    for X, mean, variance in zip(batches, means, variances, strict=True):
        caches.append(made.forward(np.array(X), training=True)[1])
        made.update_averages(caches[-1])
        assert made.averages[0]["mean"] == pytest.approx(mean) and made.averages[0]["var"] == pytest.approx(variance)
    assert [[s.item() for s in hidden["statistics"]] for _, hidden in caches] == [[1, 1], [3, 4]]  # left as they were


def test_the_decay_is_the_weight_of_the_old_value():
    made = one_unit(decay=0.75)
    for X in ([[0.0], [2.0]], [[1.0], [5.0]]):
        made.update_averages(made.forward(np.array(X), training=True)[1])
    assert made.averages[0]["mean"] == pytest.approx(0.75 * 1 + 0.25 * 3)


def test_at_test_time_the_averages_normalise_by_hand():
    """(5 - 2) / sqrt(8 + 1) = 1, scaled by 3 and shifted by -1: 2; the ReLU keeps it, and W2 = (1, 10)."""
    layers = [{"W": np.eye(1), "b": np.zeros(1), "gamma": np.array([3.0]), "beta": np.array([-1.0])},
              {"W": np.array([[1.0, 10.0]]), "b": np.array([0.0, 1.0])}]  # fmt: skip
    made = Network(layers, eps=1.0)
    made.averages = [{"mean": np.array([2.0]), "var": np.array([8.0])}]
    assert made.forward(np.array([[5.0], [2.0]]), training=False)[0].tolist() == [[2, 21], [0, 1]]


# Trials and state


def test_a_stack_of_networks_has_the_scores_of_each():
    networks = [small(seed)[0] for seed in range(3)]
    _, X, _ = small(0)
    together, _ = stack(networks).forward(X, training=True)
    for t, network in enumerate(networks):
        np.testing.assert_array_equal(together[t], network.forward(X, training=True)[0])


def test_a_state_is_a_copy_of_all_that_predictions_depend_on():
    network, X, _ = small(1)
    network.update_averages(network.forward(X, training=True)[1])
    state, before = network.state(), network.forward(X, training=False)[0]
    network.layers[0]["W"] += 1
    network.averages[1]["var"] *= 2
    assert not np.array_equal(network.forward(X, training=False)[0], before)
    for target in (network, small(2)[0]):
        target.load_state(state)
        np.testing.assert_array_equal(target.forward(X, training=False)[0], before)
        target.layers[0]["W"] += 1  # must not reach into the state
