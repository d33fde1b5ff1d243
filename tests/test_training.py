"""Training: the trial axis, History, divergence, state, evaluation, mini-batches, and whether anything is learned."""

import itertools
import warnings

import numpy as np
import pytest

from lib import gradcheck
from lib.nn import training
from lib.nn.augmentation import augment
from lib.nn.layers import dropout_backward, dropout_forward
from lib.nn.losses import LOSSES
from lib.nn.network import create, stack
from lib.nn.optimizers import SGD, AdaGrad, Adam, Momentum
from lib.nn.schedules import exponential, linear, triangular
from lib.nn.training import batches, evaluate, fit

NINE_LAYERS = (50, 30, 20, 20, 10, 10, 10, 10)

#: seed, init, l2 and eta_max of five trials
TRIALS = [(0, "he", 0.0, 0.1), (1, "xavier", 0.01, 0.03), (2, 0.05, 0.003, 0.2), (3, "he", 0.1, 0.01), (3, 1e-3, 0, 1)]


def new(seed=0, init="he", hidden=(50, 50), **options):
    """Return an untrained network for the images of the tests."""
    return create((3072, *hidden, 10), init, np.random.default_rng(seed), **options)


def train(network, parts, *, eta=0.05, l2=0.0, updates=30, batch_size=100, log_every=10, **options):
    """Train in place and return the History: the one place here that knows the arguments of ``fit``.

    eta: the highest learning rate, of each trial where it is a sequence.
    """
    rates = triangular(np.arange(updates), 1e-5, np.asarray(eta)[..., None], 10).T
    order = batches(len(parts.train), batch_size, np.random.default_rng(9))
    settings = {"etas": rates, "l2": l2, "order": order, "log_every": log_every, "sample": 300}
    return fit(network, SGD(), parts.train, parts.validation, **settings | options)


def train_trials(parts, trials, **options):
    """Train (seed, init, l2, eta_max) trials in one pass; return the network and its History."""
    network = stack([new(seed, init, **options) for seed, init, _, _ in trials])
    _, _, l2, eta = zip(*trials, strict=True)
    return network, train(network, parts, l2=np.array(l2), eta=np.array(eta))


def arrays(network, trial=...):
    """Return all arrays of a network's state by name, of one trial if asked."""
    return {
        f"{kind}{index}.{name}": array[trial]
        for kind, parts in network.state().items()
        for index, part in enumerate(parts)
        for name, array in part.items()
    }


def curves(history, trial=...):
    """Return everything a History holds, of one trial if asked."""
    scores = {f"{p} {q}": v for p in ("train", "validation") for q, v in getattr(history, p).items()}
    return {name: np.array(v)[:, trial] for name, v in (scores | {"eta": history.eta}).items()}


def same(a, b):
    """Assert that two dicts of arrays are equal to the last bit."""
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


# The trial axis


@pytest.mark.parametrize("batch_norm", [False, True], ids=["no BN", "BN"])
@pytest.mark.parametrize("hidden", [(), (50, 50), NINE_LAYERS], ids=lambda h: f"{len(h) + 1} layers")
def test_trials_equal_single_networks_to_the_last_bit(parts, hidden, batch_norm):
    options = {"hidden": hidden, "batch_norm": batch_norm}
    together, history = train_trials(parts, TRIALS, **options)
    two, history_of_two = train_trials(parts, TRIALS[:2], **options)
    for t, (seed, init, l2, eta) in enumerate(TRIALS):
        plain = new(seed, init, **options)
        alone = curves(train(plain, parts, l2=l2, eta=eta))
        same(arrays(together, t), arrays(plain))
        same(curves(history, t), alone)
        one, history_of_one = train_trials(parts, TRIALS[t : t + 1], **options)
        same(arrays(one, 0), arrays(plain))
        same(curves(history_of_one, 0), alone)
        if t < 2:
            same(arrays(two, t), arrays(plain))
            same(curves(history_of_two, t), alone)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["no BN", "BN"])
def test_a_diverging_trial_stays_alone(parts, batch_norm):
    """It is marked, the others keep their bits, and no warning escapes."""
    calm = TRIALS[:3]
    wild = [*calm[:1], (7, "he", 0.1, 1e15), *calm[1:]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network, history = train_trials(parts, wild, batch_norm=batch_norm)
        alone, history_alone = train_trials(parts, calm, batch_norm=batch_norm)
    np.testing.assert_array_equal(history.diverged, [False, True, False, False])
    assert not history_alone.diverged.any()
    same(arrays(network, [0, 2, 3]), arrays(alone))
    same(curves(history, [0, 2, 3]), curves(history_alone))


def test_infinity_after_the_last_finite_point_is_divergence_too():
    history = training.History()
    for cost in ([1.0, 1.0, np.nan, 1.0], [2.0, np.inf, 1.0, 1.0]):
        history.train["cost"].append(np.array(cost))
    np.testing.assert_array_equal(history.diverged, [False, True, True, False])


# History


def test_history_has_a_point_at_the_start_at_every_interval_and_at_the_end(parts):
    seen = []
    history = train(new(), parts, updates=25, log_every=10, progress=seen.append)
    assert history.update == [0, 10, 20, 25] and seen == [10, 10, 5]
    rates = triangular(np.arange(25), 1e-5, 0.05, 10)
    np.testing.assert_allclose(history.eta, rates[[0, 10, 20, 24]])
    assert {name: values.shape for name, values in curves(history).items()} == dict.fromkeys(curves(history), (4,))
    assert train(new(), parts, updates=20, log_every=10).update == [0, 10, 20]
    assert train(new(), parts, updates=5, log_every=10).update == [0, 5]


def test_history_of_trials_has_one_column_each(parts):
    _, history = train_trials(parts, TRIALS)
    assert {values.shape for values in curves(history).values()} == {(4, len(TRIALS))}
    np.testing.assert_allclose(history.eta[1], [eta for *_, eta in TRIALS])  # after n_s updates


def test_history_scores_the_first_training_images_and_all_validation_images(parts):
    network = new(batch_norm=True)
    history = train(network, parts, l2=0.01, sample=300)
    for images, logged in ((parts.train.take(300), history.train), (parts.validation, history.validation)):
        for name, value in evaluate(network, images, 0.01).items():
            assert logged[name][-1] == value
    assert train(network, parts, sample=10**6).update  # more than there are: all


def test_cost_is_loss_plus_penalty(parts):
    network = new()
    scores = evaluate(network, parts.validation, 0.01)
    squares = sum(np.sum(W.astype(np.float64) ** 2) for W in network.weights)
    assert scores["cost"] - scores["loss"] == pytest.approx(0.01 * squares, rel=1e-5)


# One update


@pytest.mark.parametrize("batch_norm", [False, True], ids=["no BN", "BN"])
def test_an_update_goes_down_the_gradient_by_eta(parts, batch_norm):
    """One update on all training images: their order does not matter, so it can be done by hand."""
    l2, eta = 0.02, 1e-5  # the lowest rate, where the schedule starts
    network, before = (new(batch_norm=batch_norm, dtype=np.float64) for _ in range(2))
    train(network, parts, updates=1, l2=l2, batch_size=len(parts.train))
    X, y = parts.train.batch(slice(None), dtype=np.float64), parts.train.labels
    grads = gradcheck.gradients(before, X, y, l2)
    before.update_averages(before.forward(X, training=True)[1])
    for layer, old, grad in zip(network.layers, before.layers, grads, strict=True):
        for name in layer:
            np.testing.assert_allclose((layer[name] - old[name]) / -eta, grad[name], rtol=1e-6, atol=1e-9)
    for now, by_hand in zip(network.averages, before.averages, strict=True):
        for name in now:
            np.testing.assert_allclose(now[name], by_hand[name], rtol=1e-9, atol=1e-12)


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
    rng = np.random.default_rng(8)
    network, moved = (new(8, hidden=NINE_LAYERS, bias_std=0.1, dtype=np.float64, **switches) for _ in range(2))
    X, y, h = parts.train.batch(slice(0, 60), dtype=np.float64), parts.train.labels[:60], 1e-6
    grads, _ = training.gradients(network, X, y, loss=loss, rng=np.random.default_rng(1))
    v = {name: rng.standard_normal(array.shape) for name, array in arrays(network).items()}
    length = np.sqrt(sum(np.sum(part * part) for part in v.values()))
    slope = (
        sum(np.sum(g * v[f"layers{i}.{name}"]) for i, layer in enumerate(grads) for name, g in layer.items()) / length
    )

    def loss_at(step):
        for i, layer in enumerate(moved.layers):
            for name in layer:
                layer[name] = network.layers[i][name] + step / length * v[f"layers{i}.{name}"]
        S, _ = moved.forward(X, training=True, rng=np.random.default_rng(1))  # the same units dropped
        return LOSSES[loss][0](S, y)[0]

    assert abs(slope) > 1e-4
    assert (loss_at(h) - loss_at(-h)) / (2 * h) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("forward, backward", LOSSES.values(), ids=LOSSES)
def test_losses_against_differences(forward, backward):
    rng = np.random.default_rng(0)
    S, y, upstream, h = 2 * rng.standard_normal((2, 5, 10)), rng.integers(0, 10, 5), np.array([1.5, -2.0]), 1e-6
    analytic = backward(upstream, forward(S, y)[1])
    for index in np.ndindex(S.shape):
        step = np.zeros_like(S)
        step[index] = h
        numeric = np.sum(upstream * (forward(S + step, y)[0] - forward(S - step, y)[0])) / (2 * h)
        assert numeric == pytest.approx(analytic[index], rel=1e-6, abs=1e-8)


def test_other_losses_by_hand():
    """Hinge: margins 2 - 1 + 1 = 2 and 0.5 - 1 + 1 = 0.5. Sigmoid of 0 and ln 3: 1/2 and 3/4, mean over the classes."""
    assert LOSSES["hinge"][0](np.array([[1.0, 2.0, 0.5]]), np.array([0]))[0] == 2.5
    loss, _ = LOSSES["sigmoid"][0](np.array([[0.0, np.log(3)]]), np.array([1]))
    assert loss == pytest.approx(-(np.log(1 / 2) + np.log(3 / 4)) / 2)
    assert np.isfinite(LOSSES["sigmoid"][0](np.array([[1e4, -1e4]]), np.array([1]))[0])


# Optimizers, schedules, initial weights


def steps(optimizer, *grads, l2=0.0):
    """Return what becomes of a weight of 1 by these gradients at a rate of 0.1; a bias takes the same ones."""
    parameters, seen = [{"W": np.ones((1, 1)), "b": np.ones(1)}], []
    for g in grads:
        optimizer.step(parameters, [{"W": np.full((1, 1), g), "b": np.full(1, g)}], 0.1, l2)
        seen.append(parameters[0]["W"].item())
    return seen, parameters[0]["b"].item()


BY_HAND = {
    "SGD": (SGD, [1 - 0.2, 0.8 - 0.1]),
    "momentum": (lambda: Momentum(0.5), [1 - 0.2, 0.8 - (0.5 * 0.2 + 0.1)]),
    "Nesterov": (lambda: Momentum(0.5, nesterov=True), [1 - (0.5 * 0.2 + 0.2), 0.7 - (0.5 * 0.2 + 0.1)]),
    "AdaGrad": (lambda: AdaGrad(5), [1 - 0.1 * 2 / 9**0.5, 1 - 0.2 / 3 - 0.1 / 10**0.5]),
    # m = 0.2, v = 0.4, then m = 0.28, v = 0.56, over 1 - 0.9^t and 1 - 0.9^t; eps = 1 outside the root
    "Adam": (
        lambda: Adam(0.9, 0.9, eps=1),
        [1 - 0.1 * 2 / (4**0.5 + 1), 1 - 0.2 / 3 - 0.1 * (0.28 / 0.19) / ((0.46 / 0.19) ** 0.5 + 1)],
    ),
}


@pytest.mark.parametrize("make, wanted", BY_HAND.values(), ids=BY_HAND)
def test_optimizers_by_hand(make, wanted):
    """Gradients 2 and 1 of a weight and of a bias, both 1 at the start."""
    seen, bias = steps(make(), 2.0, 1.0)
    assert seen == pytest.approx(wanted, rel=1e-12) and bias == pytest.approx(wanted[-1], rel=1e-12)


def test_the_penalty_pulls_at_weights_alone():
    """Gradient 2 + 2 * 0.25 * 1 at the weight, 2 at the bias."""
    assert steps(SGD(), 2.0, l2=0.25) == (pytest.approx([0.75]), pytest.approx(0.8))


def test_schedules_by_hand():
    np.testing.assert_allclose(exponential(np.arange(7), 8.0, 0.5, 3), [8, 8, 8, 4, 4, 4, 2])
    np.testing.assert_allclose(linear(np.arange(5), 8.0, 4), [8, 6, 4, 2, 0])
    with pytest.raises(ValueError, match="every 1 or more updates, got 0"):
        exponential(0, 1.0, 0.5, 0)


@pytest.mark.parametrize("init, first", [("he", np.sqrt(2 / 3072)), ("xavier", np.sqrt(1 / 3072)), (0.3, 0.3)])
def test_initial_weights_have_the_spread_asked_for(init, first):
    network = new(init=init, hidden=(100, 100), bias_std=0.2)
    assert network.layers[0]["W"].std() == pytest.approx(first, rel=0.01)
    second = first if init == 0.3 else first * np.sqrt(3072 / 100)
    assert network.layers[1]["W"].std() == pytest.approx(second, rel=0.05)
    assert np.concatenate([layer["b"] for layer in network.layers]).std() == pytest.approx(0.2, rel=0.2)
    assert all(not layer["b"].any() for layer in new(init=init).layers)
    with pytest.raises(ValueError, match="he, xavier or a standard deviation, got 'lecun'"):
        new(init="lecun")


def test_dropout_keeps_the_mean():
    X = np.ones((2, 500, 100))
    out, cache = dropout_forward(X, 0.3, np.random.default_rng(0))
    np.testing.assert_allclose(np.unique(out), [0, 1 / 0.7])
    assert out.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(dropout_backward(X, cache), out)  # the same units
    np.testing.assert_array_equal(out[0], out[1])  # in all trials


# Augmentation


def test_augmentation_by_hand():
    X = np.random.default_rng(0).standard_normal((6, 3072)).astype(np.float32)
    images, before, rng = X.reshape(-1, 3, 32, 32), X.copy(), np.random.default_rng(1)
    np.testing.assert_array_equal(augment(X, (("flip", 1.0),), rng).reshape(images.shape), images[..., ::-1])
    for recipe in ((), (("flip", 0.0),), (("shift", 0),), (("blur", 0.0),), (("noise", 0.0),)):
        np.testing.assert_array_equal(augment(X, recipe, rng), X)
    for image, moved in zip(images, augment(X, (("shift", 2),), rng).reshape(images.shape), strict=True):
        padded = np.pad(image, ((0, 0), (2, 2), (2, 2)))
        assert any(np.array_equal(moved, padded[:, i : i + 32, j : j + 32]) for i in range(5) for j in range(5))
    np.testing.assert_allclose(augment(np.ones_like(X), (("blur", 1.0),), rng), 1, rtol=1e-5)  # keeps what is even
    assert augment(X, (("blur", 1.0),), rng).std() < X.std()
    added = augment(2 * X, (("noise", 0.5),), rng) - 2 * X
    assert added.std() == pytest.approx(1.0, rel=0.05) and abs(added.mean()) < 0.05
    np.testing.assert_array_equal(X, before)


def test_a_part_of_the_images_is_flipped():
    X = np.tile(np.arange(3072.0), (1000, 1))
    assert np.mean(augment(X, (("flip", 0.2),), np.random.default_rng(0))[:, 0] != 0) == pytest.approx(0.2, abs=0.04)


# Running averages and state


def test_running_averages_by_hand(parts):
    """They start at the first batch's mean and variance, then 0.8 old + 0.2 new."""
    network = new(batch_norm=True, dtype=np.float64, decay=0.8)
    X = [parts.train.batch(slice(k, k + 50), dtype=np.float64) for k in (0, 50, 100)]
    S = [x @ network.layers[0]["W"] + network.layers[0]["b"] for x in X]
    for x in X:
        network.update_averages(network.forward(x, training=True)[1])
    for name, of in (("mean", np.mean), ("var", np.var)):
        a, b, c = (of(s, axis=0) for s in S)
        np.testing.assert_allclose(network.averages[0][name], 0.8 * (0.8 * a + 0.2 * b) + 0.2 * c)
    assert [set(each) for each in network.averages] == [{"mean", "var"}] * 2


def test_running_averages_from_zero(parts):
    network = new(batch_norm=True, decay=0.75, from_zero=True)
    _, cache = network.forward(parts.train.batch(slice(0, 50)), training=True)
    network.update_averages(cache)
    first = new(batch_norm=True)
    first.update_averages(cache)
    for ours, batch in zip(network.averages, first.averages, strict=True):
        for name in ours:
            np.testing.assert_allclose(ours[name], 0.25 * batch[name], rtol=1e-6)


def test_state_is_complete(parts):
    """Train, snapshot, train more, restore: the same predictions, of this network and of a new one."""
    network = new(batch_norm=True)
    train(network, parts)
    X = parts.test.batch(slice(None))
    before, state = network.forward(X, training=False)[0], network.state()
    train(network, parts)
    assert np.abs(network.forward(X, training=False)[0] - before).max() > 0.1
    network.load_state(state)
    np.testing.assert_array_equal(network.forward(X, training=False)[0], before)
    train(network, parts)  # must not reach into the snapshot
    other = new(5, batch_norm=True)
    other.load_state(state)
    np.testing.assert_array_equal(other.forward(X, training=False)[0], before)


def test_the_best_state_is_the_first_with_the_highest_accuracy():
    """Trial by trial; a later log point as good as the best so far does not replace it."""
    best, network = training.Best(), stack([new(hidden=()), new(hidden=())])
    for point, accuracy in enumerate([[0.1, 0.5], [0.3, 0.4], [0.3, 0.5], [0.2, 0.1]]):
        network.layers[0]["b"][:] = point
        best.update(network, np.array(accuracy))
    np.testing.assert_array_equal(best.state["layers"][0]["b"][:, 0], [1, 0])


# Evaluation


@pytest.mark.parametrize("statistics", ["average", "set"])
def test_evaluation_changes_nothing_and_is_deterministic(parts, statistics):
    network, _ = train_trials(parts, TRIALS[:2], batch_norm=True)
    before = arrays(network)
    first = evaluate(network, parts.test, 0.01, statistics=statistics)
    same(first, evaluate(network, parts.test, 0.01, statistics=statistics))
    same(before, arrays(network))


@pytest.mark.parametrize("chunk", [1, 37, 200])
@pytest.mark.parametrize("statistics", ["average", "set"])
def test_chunks_do_not_matter(parts, monkeypatch, chunk, statistics):
    network, _ = train_trials(parts, TRIALS[:2], batch_norm=True)
    whole = evaluate(network, parts.test, 0.01, statistics=statistics)
    monkeypatch.setattr(training, "CHUNK", chunk)
    for name, values in evaluate(network, parts.test, 0.01, statistics=statistics).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-5)


@pytest.mark.parametrize("statistics", ["average", "set"])
def test_scores_by_hand(parts, statistics):
    """Batch norm over the whole set, or with the running averages, written out."""
    network = new(batch_norm=True, dtype=np.float64, eps=1e-3)
    train(network, parts)
    H = parts.test.batch(slice(None), dtype=np.float64)
    for layer, running in zip(network.layers[:-1], network.averages, strict=True):
        S = H @ layer["W"] + layer["b"]
        mean, var = (S.mean(0), S.var(0)) if statistics == "set" else (running["mean"], running["var"])
        H = np.maximum(layer["gamma"] * (S - mean) / np.sqrt(var + 1e-3) + layer["beta"], 0)
    S = H @ network.layers[-1]["W"] + network.layers[-1]["b"]
    y = parts.test.labels
    scores = evaluate(network, parts.test, 0.0, statistics=statistics)
    loss = np.mean([np.log(np.sum(np.exp(s))) - s[k] for s, k in zip(S, y, strict=True)])
    assert scores["loss"] == pytest.approx(loss, rel=1e-5)  # images are normalised in float32
    assert scores["accuracy"] == np.mean(S.argmax(1) == y)


# Mini-batches


def take(count, *arguments):
    """Return the first mini-batches, whose number is the caller's."""
    return list(itertools.islice(batches(*arguments), count))


def test_an_epoch_shows_every_image_once_in_a_new_order():
    seen = take(9, 12, 4, np.random.default_rng(0))
    epochs = [np.concatenate(seen[k : k + 3]) for k in (0, 3, 6)]
    for order in epochs:
        assert sorted(order) == list(range(12))
    assert len({tuple(order) for order in (range(12), *epochs)}) == 4


def test_an_incomplete_mini_batch_is_left_out():
    seen = take(5, 11, 4, np.random.default_rng(0))
    assert [len(indices) for indices in seen] == [4] * 5
    for epoch in (seen[:2], seen[2:4]):
        assert len(set(np.concatenate(epoch))) == 8


def test_images_in_order_and_some_passed_over():
    assert [list(indices) for indices in take(4, 10, 3, None)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 1, 2]]
    assert [list(indices) for indices in take(3, 10, 3, None, 4)] == [[4, 5, 6], [7, 8, 9], [4, 5, 6]]
    with pytest.raises(ValueError, match="batch_size must be at most the 6 training images of an epoch, got 7"):
        take(1, 10, 7, None, 4)


# Learning


@pytest.mark.parametrize("batch_norm", [False, True], ids=["no BN", "BN"])
@pytest.mark.parametrize("hidden", [(50, 50), NINE_LAYERS], ids=["3 layers", "9 layers"])
def test_small_weights_start_at_the_logarithm_of_ten(parts, hidden, batch_norm):
    """All classes are equally likely as long as the last layer's weights are small."""
    network = new(init=1e-3, hidden=hidden, batch_norm=batch_norm)
    assert evaluate(network, parts.train, 0.0, statistics="set")["loss"] == pytest.approx(np.log(10), abs=0.01)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["no BN", "BN"])
def test_a_hundred_images_are_learned_by_heart(parts, batch_norm):
    parts = parts.__class__(parts.train.take(100), parts.validation, parts.test)
    history = train(new(batch_norm=batch_norm), parts, updates=300, batch_size=20, log_every=300)
    assert history.train["loss"][-1] < 0.05 and history.train["accuracy"][-1] == 1


def test_what_is_learned_holds_for_other_images(parts):
    network = new(batch_norm=True)
    train(network, parts, updates=60)
    assert evaluate(network, parts.test, 0.0)["accuracy"] > 0.5


def test_a_larger_penalty_gives_smaller_weights(parts):
    network, _ = train_trials(parts, [(0, "he", l2, 0.05) for l2 in (0.0, 0.01, 0.1, 1.0)])
    norms = sum(np.sum(W * W, axis=(-1, -2)) for W in network.weights)
    assert np.all(np.diff(norms) < 0)
