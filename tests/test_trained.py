"""The network of a finished run: the very one that was trained, what it predicts, what it gets wrong."""

from dataclasses import replace

import numpy as np
import pytest

from lib.data import CLASSES
from lib.nn.training import evaluate
from workbook.report import plots, tables
from workbook.runs import engine, store, trained
from workbook.runs.experiment import Experiment, vary

SMALL = Experiment(data="standin", n_s=20, cycles=1, hidden=(6,), batch_norm=True, log_every=20, sample=50)


def test_it_is_the_network_that_was_trained(tiny, capsys):
    """In company, then alone: its scores are the stored ones to the last bit, of all three sets."""
    result = engine.run(vary(SMALL, seed=range(3), order_seed=[4, 4, 4], split=["45k5k_random"] * 3))[2]
    network = result.network()
    for name, images in network.images._asdict().items():
        again = evaluate(network.network, images, result.experiment.l2)
        assert {f"{name}_{each}": value for each, value in again.items()}.items() <= result.scores.items()
        assert (network.predict(images) == images.labels).mean() == pytest.approx(result.scores[f"{name}_accuracy"])
    assert network.network.layers[0]["W"].shape == (3072, 6)
    assert "differ" not in capsys.readouterr().out


def test_a_network_that_comes_out_otherwise_says_so(tiny, capsys):
    [result] = engine.run(SMALL)
    result.scores["test_loss"] += 1e-12
    result.network()
    assert "this network's numbers differ in their last digits from the stored ones" in capsys.readouterr().out


def test_a_diverged_network_is_the_same_too(tiny, capsys):
    [result] = engine.run(replace(SMALL, eta_max=1e8, batch_norm=False))
    assert result.diverged
    result.network()
    assert "differ" not in capsys.readouterr().out


def test_it_is_stored_where_weights_are_kept(tiny, monkeypatch):
    [result] = engine.run(replace(SMALL, keep_weights=True))
    first = result.network()
    with monkeypatch.context() as patch:
        patch.setattr(trained, "train_again", None)
        second = result.network()
    for one, other in zip(first.network.state().values(), second.network.state().values(), strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
    assert second.network.averages[0]["mean"].shape == (6,)
    (store.RESULTS / f"{result.key}.npz").write_bytes(b"PK torn")
    assert np.array_equal(result.network().scores(first.images.test), first.scores(first.images.test))


@pytest.fixture
def network(tiny):
    return engine.run(SMALL)[0].network()


def test_it_takes_images_pixels_and_numbers(network):
    test = network.images.test
    expected, pixels = network.scores(test), test.raw(slice(0, 7))
    assert np.allclose(network.scores(pixels), expected[:7], atol=1e-4)
    as_png = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    assert np.array_equal(network.scores(as_png), network.scores(pixels))
    assert np.array_equal(network.predict(as_png[0]), network.predict(pixels[:1]))
    assert np.array_equal(network.scores(test.batch(slice(0, 7)).tolist()), network.scores(test.batch(slice(0, 7))))
    assert np.allclose(network.probabilities(test).sum(axis=1), 1)
    for wrong in (np.zeros((2, 10)), np.zeros((2, 2, 3072)), [["a"]], np.zeros((2, 32, 32, 3))):
        with pytest.raises(ValueError, match=r"X must have the shape \(n, 3072\)"):
            network.predict(wrong)


def test_mistakes_are_found_counted_and_drawn(network):
    test = network.images.test
    predicted, wrong = network.predict(test), network.wrong(test)
    assert set(wrong) == set(np.flatnonzero(predicted != test.labels))
    sure = network.probabilities(test).max(axis=1)[wrong]
    assert (np.diff(sure) <= 0).all()
    table = tables.confusion(test.labels, predicted)
    assert table.to_numpy().sum() == len(test) and np.trace(table) == len(test) - len(wrong)
    assert table.loc["cat", "dog"] == ((test.labels == 3) & (predicted == 5)).sum()
    titles = [ax.get_title() for ax in plots.mistakes(network, test, 12).axes]
    assert titles[0] == f"{CLASSES[test.labels[wrong[0]]]}\nnot {CLASSES[predicted[wrong[0]]]}" and len(titles) == 20
    assert len(plots.confusion(table).axes[0].texts) == 100
    plots.plt.close("all")
