"""Update rules, worked by hand, and that trials do not see each other."""

import inspect

import numpy as np
import pytest

from lib.nn.optimizers import OPTIMIZERS, SGD, AdaGrad, Adam, Momentum, Nesterov


def path(rule, gradients, eta=0.1, l2=0.0):
    """Return a weight, 1 at the start, after each of some steps with given gradients."""
    parameters, seen = [{"W": np.ones((1, 1))}], []
    for g in gradients:
        rule.step(parameters, [{"W": np.array([[float(g)]])}], eta, l2)
        seen.append(parameters[0]["W"].item())
    return seen


BY_HAND = {
    "SGD": (SGD(), [1 - 0.1 * 2, 0.8 + 0.1 * 1]),
    "momentum: v = 0.2, then 0.9 * 0.2 - 0.1 = 0.08": (Momentum(), [0.8, 0.72]),
    "momentum, rho = 0.5: v = 0.2, then 0.5 * 0.2 - 0.1 = 0": (Momentum(0.5), [0.8, 0.8]),
    "Nesterov: steps 0.9 * 0.2 + 0.2 and 0.9 * 0.08 - 0.1": (Nesterov(0.9), [0.62, 0.648]),
    "AdaGrad: G = 4, then 5": (AdaGrad(0.0), [0.9, 0.9 + 0.1 / 5**0.5]),
    "AdaGrad, eps = 5: G = 9, then 10": (AdaGrad(5.0), [1 - 0.2 / 3, 1 - 0.2 / 3 + 0.1 / 10**0.5]),
    # m = 0.2 and 0.08 over 1 - 0.9^t; v = 0.4 and 0.46 over 1 - 0.9^t; eps = 1 is outside the root
    "Adam": (
        Adam(0.9, 0.9, eps=1),
        [1 - 0.1 * 2 / (2 + 1), 1 - 0.2 / 3 - 0.1 * (0.08 / 0.19) / ((0.46 / 0.19) ** 0.5 + 1)],
    ),
    # the two decay rates are not mistaken for each other: m = 0.5 * 2, v = 0.25 * 4
    "Adam, betas 0.5 and 0.75": (
        Adam(0.5, 0.75, eps=0),
        [1 - 0.1 * 2 / 2, 0.9 - 0.1 * ((0.5 - 0.5) / 0.75) / ((0.75 + 0.25) / 0.4375) ** 0.5],
    ),
}


@pytest.mark.parametrize(("rule", "wanted"), BY_HAND.values(), ids=BY_HAND)
def test_two_steps_by_hand(rule, wanted):
    """Gradients 2 and -1, a rate of 0.1."""
    assert path(rule, (2, -1)) == pytest.approx(wanted, rel=1e-12)


def test_nesterov_is_the_gradient_at_the_point_looked_ahead_to():
    """Sutskever et al.: v = rho v - eta f'(theta + rho v), theta += v; ours is theta + rho v. f = x^4."""
    theta, v, rule = 1.0, 0.0, Nesterov(0.8)
    parameters = [{"W": np.array([[1.0]])}]
    for _ in range(5):
        v = 0.8 * v - 0.05 * 4 * (theta + 0.8 * v) ** 3
        theta += v
        rule.step(parameters, [{"W": 4 * parameters[0]["W"] ** 3}], 0.05)
        assert parameters[0]["W"].item() == pytest.approx(theta + 0.8 * v, rel=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_penalty_is_a_part_of_the_gradient_of_weights_alone(name):
    """A weight of 1 with gradient 2 and lambda 0.25 moves like one with gradient 2 + 2 * 0.25; a bias does not."""
    assert path(OPTIMIZERS[name](), [2], l2=0.25) == pytest.approx(path(OPTIMIZERS[name](), [2.5]), rel=1e-12)
    parameters = [{"W": np.ones((1, 1)), "b": np.ones(1)}]
    OPTIMIZERS[name]().step(parameters, [{"W": np.zeros((1, 1)), "b": np.zeros(1)}], 0.1, 0.25)
    assert parameters[0]["b"].item() == 1 and parameters[0]["W"].item() < 1


def layers(rng, shape=()):
    """Return parameters of two layers, float32; the first is large enough to be updated in blocks."""
    sizes = ({"W": (900, 90), "b": (90,)}, {"W": (90, 10), "b": (10,)})
    return [{name: rng.standard_normal(shape + s).astype(np.float32) for name, s in each.items()} for each in sizes]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_trials_with_rates_and_penalties_of_their_own_equal_separate_runs_to_the_last_bit(name):
    rng, etas = np.random.default_rng(0), np.array([[0.1, 0.03, 1e-4], [0.05, 0.2, 0.3]])
    l2 = np.array([0.0, 0.1, 0.003])
    together = layers(rng, (3,))
    alone = [[{k: v[t].copy() for k, v in layer.items()} for layer in together] for t in range(3)]
    rule, rules = OPTIMIZERS[name](), [OPTIMIZERS[name]() for _ in range(3)]
    for eta in etas:
        grads = layers(rng, (3,))
        apart = [[{k: v[t].copy() for k, v in layer.items()} for layer in grads] for t in range(3)]
        rule.step(together, grads, eta, l2)
        for t in range(3):
            rules[t].step(alone[t], apart[t], eta[t], l2[t])
    for index, layer in enumerate(together):
        for key, array in layer.items():
            assert array.dtype == np.float32
            assert all(np.array_equal(array[t], alone[t][index][key]) for t in range(3)), (index, key)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_finds_the_minimum_of_a_parabola(name):
    """Of (x - 3)^2; a parameter without gradient stays where it is, and so does the one of a new object."""
    parameters, rule = [{"W": np.zeros((2, 1))}], OPTIMIZERS[name]()
    for _ in range(400):
        rule.step(parameters, [{"W": 2 * (parameters[0]["W"] - 3) * [[1], [0]]}], 0.5 if name == "adagrad" else 0.05)
    assert parameters[0]["W"][:, 0] == pytest.approx([3, 0], abs=1e-2)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_new_object_remembers_nothing(name):
    used = OPTIMIZERS[name]()
    first = path(used, (2, -1))
    assert path(OPTIMIZERS[name](), (2, -1)) == first
    assert name == "sgd" or path(used, (2, -1)) != first


def test_the_options_are_keywords_with_the_usual_defaults():
    options = {name: {p.name: p.default for p in inspect.signature(rule).parameters.values() if p.default != p.empty}
               for name, rule in OPTIMIZERS.items()}  # fmt: skip
    assert options == {
        "sgd": {},
        "momentum": {"rho": 0.9},
        "nesterov": {"rho": 0.9},
        "adagrad": {"eps": 1e-6},
        "adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    }
