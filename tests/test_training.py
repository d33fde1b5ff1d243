"""Training: trials, the Logger, divergence, evaluation, minibatches, and whether anything is learned."""

import itertools
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from lib import gradcheck
from lib.nn import training
from lib.nn.augmentation import flip
from lib.nn.network import create, stack
from lib.nn.optimizers import OPTIMIZERS, SGD
from lib.nn.schedules import triangular
from lib.nn.splits import Arrays
from lib.nn.training import Logger, batches, evaluate, fit
from workbook.runs.experiment import NINE_LAYERS

#: seed, init, l2 and eta_max of five trials
TRIALS = [(0, "he", 0.0, 0.1), (1, "xavier", 0.01, 0.03), (2, 0.05, 0.003, 0.2), (3, "he", 0.1, 0.01), (3, 1e-3, 0, 1)]


def new(seed=0, init="he", hidden=(50, 50), **options):
    """Return an untrained network for the images of the tests."""
    return create((3072, *hidden, 10), init, np.random.default_rng(seed), **options)


def train(
    network, parts, *, eta=0.05, l2=0.0, updates=30, batch_size=100, every=10, sample=300, logging=None, **options
):
    """Train in place and return the Logger. eta: the highest learning rate, of each trial if it is a sequence."""
    etas = triangular(np.arange(updates), 1e-5, np.asarray(eta)[..., None], 10).T
    order = batches(len(parts.train), batch_size, np.random.default_rng(9))
    logger = Logger(parts.train.take(300), parts.validation, every, **logging or {})
    fit(network, SGD(), parts.train, **{"etas": etas, "l2": l2, "order": order, "logger": logger} | options)
    return logger


def train_trials(parts, trials, logging=None, **options):
    """Train (seed, init, l2, eta_max) trials in one pass; return the network and its Logger."""
    network = stack([new(seed, init, **options) for seed, init, _, _ in trials])
    _, _, l2, eta = zip(*trials, strict=True)
    return network, train(network, parts, l2=np.array(l2), eta=np.array(eta), logging=logging)


def arrays(network, trial=...):
    """Return all arrays of a network's state by name, of one trial if asked."""
    return {
        f"{kind}{index}.{name}": array[trial]
        for kind, parts in network.state().items()
        for index, part in enumerate(parts)
        for name, array in part.items()
    }


def curves(logger, trial=...):
    """Return the curves of a Logger as arrays, of one trial if asked."""
    return {name: np.array(values)[:, trial] for name, values in logger.curves.items() if name != "update"}


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
    together, logged = train_trials(parts, TRIALS, **options)
    two, logged_of_two = train_trials(parts, TRIALS[:2], **options)
    for t, (seed, init, l2, eta) in enumerate(TRIALS):
        plain = new(seed, init, **options)
        alone = curves(train(plain, parts, l2=l2, eta=eta))
        same(arrays(together, t), arrays(plain))
        same(curves(logged, t), alone)
        one, logged_of_one = train_trials(parts, TRIALS[t : t + 1], **options)
        same(arrays(one, 0), arrays(plain))
        same(curves(logged_of_one, 0), alone)
        if t < 2:
            same(arrays(two, t), arrays(plain))
            same(curves(logged_of_two, t), alone)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["no BN", "BN"])
def test_a_trial_that_becomes_nan_stays_alone(parts, batch_norm):
    """The others keep their bits, and no warning escapes."""
    calm = TRIALS[:3]
    wild = [*calm[:1], (7, "he", 0.1, 1e15), *calm[1:]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network, logged = train_trials(parts, wild, batch_norm=batch_norm)
        alone, logged_alone = train_trials(parts, calm, batch_norm=batch_norm)
    assert not np.isfinite(curves(logged)["train_cost"][-1, 1])
    same(arrays(network, [0, 2, 3]), arrays(alone))
    same(curves(logged, [0, 2, 3]), curves(logged_alone))


# The Logger


def test_the_start_every_interval_and_the_end_are_logged(parts):
    seen = []
    logger = train(new(), parts, updates=25, logging={"progress": seen.append})
    assert logger.curves["update"] == [0, 10, 20, 25] and seen == [10, 10, 5]
    rates = triangular(np.arange(25), 1e-5, 0.05, 10)
    np.testing.assert_allclose(logger.curves["eta"], rates[[0, 10, 20, 24]])
    assert {len(values) for values in logger.curves.values()} == {4}
    assert set(logger.curves) == {
        "update", "eta", "train_loss", "train_cost", "train_accuracy",
        "validation_loss", "validation_cost", "validation_accuracy",
    }  # fmt: skip
    assert train(new(), parts, updates=20).curves["update"] == [0, 10, 20]
    assert train(new(), parts, updates=5).curves["update"] == [0, 5]


@pytest.mark.parametrize("statistics", ["average", "set"])
def test_what_is_logged_are_the_scores_of_the_images_given(parts, statistics):
    """The untrained network has no running averages yet, so its statistics are those of the set."""
    network, options = new(batch_norm=True), {"loss": "hinge", "statistics": statistics}
    start = evaluate(network, parts.train.take(300), 0.01, loss="hinge", statistics="set")
    logged = train(network, parts, l2=0.01, logging=options).curves
    for part, images in (("train", parts.train.take(300)), ("validation", parts.validation)):
        for name, value in evaluate(network, images, 0.01, **options).items():
            assert logged[f"{part}_{name}"][-1] == value
    assert all(logged[f"train_{name}"][0] == value for name, value in start.items())


def test_logging_changes_nothing(parts):
    logged, silent = new(batch_norm=True), new(batch_norm=True)
    train(logged, parts, every=1, logging={"keep_best": True})
    train(silent, parts, logger=None)
    same(arrays(logged), arrays(silent))


def test_a_second_training_continues_the_curves(parts):
    """As the stages of one run do: no second start, updates go on counting, and each stage has a best of its own."""
    network, logger = new(), Logger(parts.train.take(300), parts.validation, 10, keep_best=True)
    for _ in range(2):
        train(network, parts, updates=15, logger=logger)
        assert logger.best is not None
    assert logger.curves["update"] == [0, 10, 15, 25, 30]
    logger.begin(network, 0.0, np.zeros(15))
    assert logger.best is None and len(logger.curves["update"]) == 5


def test_the_best_state_is_the_first_with_the_highest_accuracy(parts, monkeypatch):
    """Trial by trial; a later log point as good as the best so far does not replace it."""
    accuracies = iter([[0.9, 0.9], [0.1, 0.5], [0.3, 0.4], [0.3, 0.5], [0.2, 0.1]])
    monkeypatch.setattr(training, "evaluate", lambda network, images, *rest, **more: {
        "accuracy": np.array(next(accuracies)) if images is parts.validation else None
    })  # fmt: skip
    network = stack([new(batch_norm=True), new(batch_norm=True)])
    logger, etas = Logger(parts.train, parts.validation, 1, keep_best=True), np.zeros(4)
    logger.begin(network, 0.0, etas)  # the untrained network is logged, but not kept
    for update in (1, 2, 3, 4):
        network.layers[0]["b"][:] = update
        network.averages[0]["mean"] = np.full((2, 50), update)
        logger.after(update, network, 0.0, etas)
    network.load_state(logger.best[1])
    for array in (network.layers[0]["b"], network.averages[0]["mean"]):
        np.testing.assert_array_equal(array[:, 0], [2, 1])
    np.testing.assert_array_equal(logger.best[0], [0.3, 0.5])


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


def test_frozen_parameters_stay_and_the_others_move(parts):
    network = new(batch_norm=True, bias_std=0.1)
    before = arrays(network)
    train(network, parts, frozen=("b",))
    for name, array in arrays(network).items():
        if name in before:
            assert np.array_equal(array, before[name]) == name.endswith(".b"), name


def test_training_sees_augmented_images_with_their_own_labels(parts, monkeypatch):
    """And what is evaluated is not augmented."""
    seen, original = [], training.gradients

    def spy(network, X, y, **more):
        seen.append((X.copy(), y.copy()))
        return original(network, X, y, **more)

    monkeypatch.setattr(training, "gradients", spy)
    plain = train(new(), parts, updates=4)
    flipped = train(new(), parts, updates=4, recipe=(("flip", 1.0),), rng=np.random.default_rng(0))
    for (X, y), (X_flipped, y_flipped) in zip(seen[:4], seen[4:], strict=True):
        assert np.array_equal(y, y_flipped)
        assert np.array_equal(flip(X, 1.0, np.random.default_rng(0)), X_flipped) and not np.array_equal(X, X_flipped)
    assert plain.curves["train_loss"][0] == flipped.curves["train_loss"][0]
    assert plain.curves["train_loss"][-1] != flipped.curves["train_loss"][-1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_twice_gives_the_same_bits(parts, optimizer):
    """With everything that is drawn at random."""
    seen = []
    for _ in range(2):
        network, rng = new(batch_norm=True, drop_rate=0.2), np.random.default_rng(5)
        order = batches(len(parts.train), 100, np.random.default_rng(6))
        recipe = (("flip", 0.5), ("shift", 2), ("blur", 0.5), ("noise", 0.1))
        fit(network, OPTIMIZERS[optimizer](), parts.train, etas=np.full(8, 0.01), l2=0.01, order=order, recipe=recipe,
            rng=rng)  # fmt: skip
        seen.append(arrays(network))
    same(*seen)


# Evaluation


def test_cost_is_loss_plus_penalty(parts):
    network = new()
    scores = evaluate(network, parts.validation, 0.01)
    squares = sum(np.sum(W.astype(np.float64) ** 2) for W in network.weights)
    assert scores["cost"] - scores["loss"] == pytest.approx(0.01 * squares, rel=1e-5)


@pytest.mark.parametrize("statistics", ["average", "set"])
def test_evaluation_changes_nothing_and_is_deterministic(parts, statistics):
    network, _ = train_trials(parts, TRIALS[:2], batch_norm=True, drop_rate=0.0)
    network.drop_rate = 0.5  # dropout is for training only
    before = arrays(network)
    first = evaluate(network, parts.test, 0.01, statistics=statistics)
    same(first, evaluate(network, parts.test, 0.01, statistics=statistics))
    same(before, arrays(network))


@pytest.mark.parametrize("chunk", [1, 37, 200])
@pytest.mark.parametrize("statistics", ["average", "set"])
def test_the_size_of_the_chunks_does_not_matter(parts, monkeypatch, chunk, statistics):
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


# Minibatches


def take(count, *arguments):
    """Return the first minibatches as lists."""
    return [indices.tolist() for indices in itertools.islice(batches(*arguments), count)]


def test_an_epoch_shows_every_image_once_in_a_new_order():
    seen = take(9, 12, 4, np.random.default_rng(0))
    epochs = [tuple(itertools.chain(*seen[k : k + 3])) for k in (0, 3, 6)]
    assert all(sorted(order) == list(range(12)) for order in epochs)
    assert len({tuple(range(12)), *epochs}) == 4


def test_an_incomplete_minibatch_is_left_out():
    seen = take(5, 11, 4, np.random.default_rng(0))
    assert [len(indices) for indices in seen] == [4] * 5
    assert len({*seen[0], *seen[1]}) == len({*seen[2], *seen[3]}) == 8


def test_images_in_their_order_and_the_first_left_out():
    assert take(4, 10, 3) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 1, 2]]
    assert take(3, 10, 3, None, 4) == [[4, 5, 6], [7, 8, 9], [4, 5, 6]]
    with pytest.raises(ValueError, match="batch_size must be at most the 6 training images of an epoch, got 7"):
        take(1, 10, 7, None, 4)


# Learning


@pytest.mark.parametrize("batch_norm", [False, True], ids=["no BN", "BN"])
def test_a_hundred_images_are_learned_by_heart(parts, batch_norm):
    parts = parts._replace(train=parts.train.take(100))
    logged = train(new(batch_norm=batch_norm), parts, updates=300, batch_size=20, every=300).curves
    assert logged["train_loss"][-1] < 0.05 and logged["train_accuracy"][-1] == 1


def test_what_is_learned_holds_for_other_images(parts):
    network = new(batch_norm=True)
    train(network, parts, updates=60)
    assert evaluate(network, parts.test, 0.0)["accuracy"] > 0.5


def test_a_larger_penalty_gives_smaller_weights(parts):
    network, _ = train_trials(parts, [(0, "he", l2, 0.05) for l2 in (0.0, 0.01, 0.1, 1.0)])
    norms = sum(np.sum(W * W, axis=(-1, -2)) for W in network.weights)
    assert np.all(np.diff(norms) < 0)


def test_arrays_of_your_own_are_learned():
    """Two inputs, three classes by angle, two networks at once and float64: nothing belongs to CIFAR-10."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((900, 2))
    y = (np.arctan2(X[:, 1], X[:, 0]) * 3 / (2 * np.pi) + 1.5).astype(int)
    network = stack([create((2, 30, 3), "he", rng, batch_norm=True, dtype=np.float64) for _ in range(2)])
    order = batches(600, 50, rng)
    fit(network, SGD(), Arrays(X[:600], y[:600]), etas=np.full(300, 0.1), l2=np.zeros(2), order=order)
    assert evaluate(network, Arrays(X[600:], y[600:]), np.zeros(2))["accuracy"].min() > 0.9


def test_the_example_of_the_readme_learns(capsys):
    """The README's lines that use lib alone, as they stand there; they print an accuracy."""
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    examples = [code for code in re.findall(r"```python\n(.*?)```", readme, re.S) if "lib.nn" in code]
    assert len(examples) == 1, "the README has one example of lib.nn"
    exec(examples[0], {})
    assert float(re.findall(r"\d\.\d+", capsys.readouterr().out)[-1]) > 0.9
