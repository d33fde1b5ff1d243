"""The gradient check: that right gradients pass, wrong ones do not, and what its measures say."""

import numpy as np
import pytest

from lib import gradcheck
from lib.gradcheck import autodiff_gradients, compare, errors, gradients, numerical_gradients
from lib.nn import layers, losses
from lib.nn.network import create, stack

LAMBDA = 0.1


def problem(hidden=(6, 5), inputs=9, images=12, seed=4, **settings):
    """Return a float64 network with no array at its initial value, images, labels and lambda."""
    rng = np.random.default_rng(seed)
    network = create((inputs, *hidden, 10), "he", rng, dtype=np.float64, **settings)
    for layer in network.layers:
        for name in layer.keys() - {"W"}:
            layer[name] += 0.1 * rng.standard_normal(layer[name].shape)
    return network, rng.standard_normal((images, inputs)), rng.integers(0, 10, images), LAMBDA


@pytest.mark.parametrize("batch_norm", [False, True], ids=["no BN", "BN"])
@pytest.mark.parametrize("hidden", [(), (7,), (8, 6, 5), (7,) * 8], ids=lambda h: f"{len(h) + 1} layers")
def test_the_networks_of_the_course_pass(hidden, batch_norm):
    rows = compare(*problem(hidden, batch_norm=batch_norm))
    names = ["W", "b", *(["gamma", "beta"] if batch_norm else [])]
    wanted = [f"{name}{k + 1}" for k in range(len(hidden)) for name in names] + [f"{n}{len(hidden) + 1}" for n in "Wb"]
    assert [row["array"] for row in rows] == wanted
    for row in rows:
        assert row["passes"] is True, row
        assert row["norm"] < 1e-7 and row["automatic"] < 1e-12, row


@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("drop_rate", [0.0, 0.4], ids=["all units", "dropout"])
@pytest.mark.parametrize("after_relu", [False, True], ids=["BN before ReLU", "BN after ReLU"])
def test_bonus_networks_pass(loss, drop_rate, after_relu):
    checked = problem(batch_norm=True, after_relu=after_relu, drop_rate=drop_rate)
    assert all(row["passes"] for row in compare(*checked, loss))


MISTAKES = {
    "ReLU lets everything through": ("relu_backward", lambda right: lambda grad, cache: grad),
    "a bias gradient that is a mean": ("affine_backward", lambda right: lambda *a, **k: (*right(*a, **k)[:2],
                                                                                          right(*a, **k)[2] / 12)),
    "weights wrong by one in ten thousand": ("affine_backward", lambda right: lambda *a, **k: (
        right(*a, **k)[0], 1.0001 * right(*a, **k)[1], right(*a, **k)[2])),
    "batch norm as if mean and variance were constants": ("batch_norm_backward", lambda right: lambda grad, cache: (
        grad * cache[2] * cache[1], *right(grad, cache)[1:])),
}  # fmt: skip


@pytest.mark.parametrize(("name", "mistake"), MISTAKES.values(), ids=MISTAKES)
def test_a_wrong_backward_does_not_pass(monkeypatch, name, mistake):
    monkeypatch.setattr(layers, name, mistake(getattr(layers, name)))
    assert not all(row["passes"] for row in compare(*problem(batch_norm=True)))


def test_a_forgotten_factor_two_of_the_penalty_does_not_pass(monkeypatch):
    """The weights fail, and they alone."""
    network, X, y, l2 = problem()
    right = gradients(network, X, y, l2)
    monkeypatch.setattr(gradcheck, "gradients", lambda *arguments: [
        grad | {"W": grad["W"] - l2 * layer["W"]} for grad, layer in zip(right, network.layers, strict=True)
    ])  # fmt: skip
    assert {row["array"][0] for row in compare(network, X, y, l2) if not row["passes"]} == {"W"}


@pytest.mark.parametrize("opinion", ["numerical_gradients", "autodiff_gradients"])
def test_a_gradient_must_pass_against_both_opinions(monkeypatch, opinion):
    right = getattr(gradcheck, opinion)
    monkeypatch.setattr(gradcheck, opinion, lambda *arguments, **more: [
        {name: 2 * array for name, array in layer.items()} for layer in right(*arguments, **more)
    ])  # fmt: skip
    assert not any(row["passes"] for row in compare(*problem()))


def test_an_entry_near_zero_does_not_count():
    """Errors of 1e-10: on an entry of 2e-10 it is rounding, and 1e-7 on one of 1e-3 would be a mistake."""
    measured = errors(np.array([2e-10, 0.5]), np.array([3e-10, 0.5]))
    assert measured["passes"] and measured["relative"] == 0  # below what a difference can tell
    assert errors(np.array([2e-9, 0.5]), np.array([2.5e-9, 0.5]))["passes"]
    assert not errors(np.array([1e-3]), np.array([1e-3 + 1e-7]))["passes"]
    assert not errors(np.array([1e-8]), np.array([3e-8]))["passes"]
    assert not errors(np.array([np.nan]), np.array([1.0]))["passes"]


def test_error_measures_by_hand():
    """a = (1, 2), b = (1, 4): difference (0, 2), sums (2, 6), norms sqrt(5) and sqrt(17)."""
    measured = errors(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    assert measured["absolute"] == 2
    assert measured["relative"] == pytest.approx(2 / 6) and measured["entry"] == 4
    assert measured["relative_max"] == pytest.approx(2 / 4)
    assert measured["norm"] == pytest.approx(2 / (5**0.5 + 17**0.5))
    assert measured["mean"] == pytest.approx(1 / 6)
    assert measured["passes"] is False
    zero = errors(np.full(3, 1e-17), np.zeros(3))
    assert zero["passes"] is True and zero["relative"] == zero["norm"] == 0


def test_the_automatic_gradients_use_no_backward(monkeypatch):
    checked = problem(batch_norm=True)
    before = autodiff_gradients(*checked)
    for name in ("affine_backward", "relu_backward", "batch_norm_backward"):
        monkeypatch.setattr(layers, name, None)
    for one, other in zip(before, autodiff_gradients(*checked), strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_forward_differences_are_coarser_than_centred_ones():
    network, X, y, _ = problem()
    analytic = gradients(network, X, y, 0.0)[0]["W"]
    forward = errors(analytic, numerical_gradients(network, X, y, 0.0, centred=False)[0]["W"])["norm"]
    centred = errors(analytic, numerical_gradients(network, X, y, 0.0)[0]["W"])["norm"]
    assert centred < 1e-7 < forward < 1e-4


def test_the_network_is_left_as_it_was():
    network, X, y, l2 = problem(batch_norm=True)
    before = network.state()
    compare(network, X, y, l2)
    for old, new in zip(before["layers"], network.layers, strict=True):
        for name in old:
            np.testing.assert_array_equal(old[name], new[name])
    assert network.averages == before["averages"]


@pytest.mark.parametrize("change", ["float32 weights", "float32 images", "two networks"])
def test_other_types_and_trials_are_refused(change):
    network, X, y, l2 = problem()
    if change == "float32 weights":
        network = create((9, 10), "he", np.random.default_rng(0))
    if change == "float32 images":
        X = X.astype(np.float32)
    if change == "two networks":
        network = stack([network, network])
    with pytest.raises(ValueError, match="one network at a time, with weights and X in float64"):
        compare(network, X, y, l2)


class Tanh:
    """The documented interface and nothing else: two layers with tanh between them, and a scale without a penalty."""

    def __init__(self, rng):
        self.layers = [{"W": rng.standard_normal((9, 6)), "b": rng.standard_normal(6)}, {"scale": np.array([1.5])},
                       {"W": rng.standard_normal((6, 10))}]  # fmt: skip
        self.slope = 1.0

    def forward(self, X, *, training, rng):
        (first, scale, last) = self.layers
        H = np.tanh(X @ first["W"] + first["b"])
        return scale["scale"] * H @ last["W"], (X, H)

    def backward(self, grad, cache):
        (X, H), (_, scale, last) = cache, self.layers
        grad_H = grad @ last["W"].T
        grad_S = scale["scale"] * grad_H * (1 - H**2) * self.slope
        grads = {"W": X.T @ grad_S, "b": grad_S.sum(axis=0)}, {"scale": np.array([(grad_H * H).sum()])}
        return [*grads, {"W": scale["scale"] * H.T @ grad}]


def test_a_network_of_ones_own_is_checked_against_differences_alone():
    """The formula of the automatic gradients has ReLUs, so that it would call a right gradient wrong."""
    _, *rest = problem()
    network = Tanh(np.random.default_rng(0))
    rows = compare(network, *rest)
    assert [row["array"] for row in rows] == ["W1", "b1", "scale2", "W3"]
    assert all(row["passes"] and "automatic" not in row for row in rows)
    network.slope = 1.001
    assert [row["array"] for row in compare(network, *rest) if not row["passes"]] == ["W1", "b1"]
    assert "automatic" in compare(*problem())[0]
