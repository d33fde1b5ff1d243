"""Update rules and schedules, worked by hand, and that trials do not see each other."""

import numpy as np
import pytest

from lib.nn.optimizers import OPTIMIZERS, SGD, AdaGrad, Adam, Momentum
from lib.nn.schedules import exponential, linear


def two_steps(rule, gradients, eta=0.1, start=1.0):
    """Return a parameter after each of two steps with given gradients."""
    parameters, path = [{"W": np.array([[start]])}], []
    for g in gradients:
        rule.step(parameters, [{"W": np.array([[float(g)]])}], eta)
        path.append(float(parameters[0]["W"][0, 0]))
    return path


def test_sgd():
    """1 - 0.1 * 2, then + 0.1 * 1."""
    assert two_steps(SGD(), (2, -1)) == pytest.approx([0.8, 0.9], rel=1e-14)


def test_momentum():
    """v = 0.2, then 0.9 * 0.2 - 0.1 = 0.08."""
    assert two_steps(Momentum(0.9), (2, -1)) == pytest.approx([0.8, 0.72], rel=1e-14)
    assert two_steps(Momentum(0.5), (2, -1)) == pytest.approx([0.8, 0.8], rel=1e-14)


def test_nesterov():
    """v as above; the steps are 0.9 * 0.2 + 0.2 = 0.38 and 0.9 * 0.08 - 0.1 = -0.028."""
    assert two_steps(Momentum(0.9, nesterov=True), (2, -1)) == pytest.approx([0.62, 0.648], rel=1e-14)


def test_nesterov_is_the_gradient_at_the_point_looked_ahead_to():
    """Sutskever et al.: v = rho v - eta f'(theta + rho v), theta += v; here theta stands for theta + rho v. f = x^4."""
    theta, v, rule = 1.0, 0.0, Momentum(0.8, nesterov=True)
    parameters = [{"W": np.array([[1.0]])}]
    for _ in range(5):
        v = 0.8 * v - 0.05 * 4 * (theta + 0.8 * v) ** 3
        theta += v
        rule.step(parameters, [{"W": 4 * parameters[0]["W"] ** 3}], 0.05)
        assert parameters[0]["W"][0, 0] == pytest.approx(theta + 0.8 * v, rel=1e-12)


def test_adagrad():
    """G = 4, then 5: steps of 0.1 * 2 / 2 and 0.1 * -1 / sqrt(5); with eps = 5 the roots are of 9 and 10."""
    assert two_steps(AdaGrad(0.0), (2, -1)) == pytest.approx([0.9, 0.9 + 0.1 / 5**0.5], rel=1e-14)
    assert two_steps(AdaGrad(5.0), (2, -1)) == pytest.approx([1 - 0.2 / 3, 1 - 0.2 / 3 + 0.1 / 10**0.5], rel=1e-14)
    assert AdaGrad().eps == 1e-6


def test_adam():
    """m = 0.2 and v = 0.004 count as 2 and 4; then m = 0.08 / 0.19 and v = 0.004996 / 0.001999."""
    second = 0.1 * (0.08 / 0.19) / ((0.004996 / 0.001999) ** 0.5 + 1e-8)
    assert two_steps(Adam(), (2, -1)) == pytest.approx([0.9 + 5e-10, 0.9 + 5e-10 - second], rel=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_new_rule_starts_afresh_and_names_mean_what_they_say(name):
    kinds = {"sgd": SGD, "momentum": Momentum, "nesterov": Momentum, "adagrad": AdaGrad, "adam": Adam}
    rule = OPTIMIZERS[name](0.7)
    assert type(rule) is kinds[name] and getattr(rule, "rho", 0.7) == 0.7
    assert getattr(rule, "nesterov", name == "nesterov") is (name == "nesterov")
    assert two_steps(OPTIMIZERS[name](0.7), (2, -1)) == two_steps(rule, (2, -1))


def layers(rng, shape=()):
    """Return parameters of two layers, one of them large, float32."""
    sizes = ({"W": (400, 90), "b": (90,)}, {"W": (90, 10), "b": (10,)})
    return [{name: rng.standard_normal(shape + s).astype(np.float32) for name, s in each.items()} for each in sizes]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rate_for_each_trial_equals_separate_runs_to_the_last_bit(name):
    rng, etas = np.random.default_rng(0), np.array([[0.1, 0.03, 1e-4], [0.05, 0.2, 0.3]])
    together = layers(rng, (3,))
    alone = [[{k: v[t].copy() for k, v in layer.items()} for layer in together] for t in range(3)]
    rule, rules = OPTIMIZERS[name](0.9), [OPTIMIZERS[name](0.9) for _ in range(3)]
    for eta in etas:
        grads = layers(rng, (3,))
        apart = [[{k: v[t].copy() for k, v in layer.items()} for layer in grads] for t in range(3)]
        rule.step(together, grads, eta)
        for t in range(3):
            rules[t].step(alone[t], apart[t], eta[t])
    for index, layer in enumerate(together):
        for key, array in layer.items():
            assert array.dtype == np.float32
            assert all(np.array_equal(array[t], alone[t][index][key]) for t in range(3)), (index, key)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_rules_find_the_minimum_of_a_parabola(name):
    """Of (x - 3)^2, and no parameter but those with a gradient moves."""
    parameters, rule = [{"W": np.zeros((2, 1))}], OPTIMIZERS[name](0.5)
    for _ in range(400):
        rule.step(parameters, [{"W": 2 * (parameters[0]["W"] - 3) * [[1], [0]]}], 0.5 if name == "adagrad" else 0.05)
    assert parameters[0]["W"][:, 0] == pytest.approx([3, 0], abs=1e-3)


def test_exponential_schedule_by_hand():
    """0.1 for three updates, 0.05 for three, 0.025 for the rest."""
    assert exponential(np.arange(8), 0.1, 0.5, 3) == pytest.approx([0.1] * 3 + [0.05] * 3 + [0.025] * 2, rel=1e-14)
    assert exponential(7, 0.1, 0.5, 3) == pytest.approx(0.025)
    for every in (0, -1):
        with pytest.raises(ValueError, match=f"every 1 or more updates, got {every}"):
            exponential(0, 0.1, 0.5, every)


def test_linear_schedule_by_hand():
    """From 0.2 at the first of four updates by quarters; 0 would come with the fifth."""
    assert linear(np.arange(5), 0.2, 4) == pytest.approx([0.2, 0.15, 0.1, 0.05, 0], abs=1e-16)
