"""Exercises with the loop of training: its minibatches, one step, and the rate of it."""

from itertools import islice

import numpy as np

from lib.nn.optimizers import Momentum, Optimizer
from lib.nn.schedules import exponential, triangular
from lib.nn.training import batches

from .draws import SEED_FIXED, SEED_IGNORED
from .exercise import Exercise, Mistake, Unfit, array
from .layers import normal

# Minibatches


def _minibatches(n, batch_size, rng):
    """One epoch of lib's minibatches of one image, put together: of these, none is left out."""
    order = np.concatenate(list(islice(batches(n, 1, rng), n)))
    return [order[start : start + batch_size] for start in range(0, n, batch_size)]


def _cut(order, stop=None, full=False):
    """Return a minibatches function; order: of (n, rng); stop: of (n, batch_size), where the last one begins."""

    def minibatches(n, batch_size, rng):
        images = order(n, rng)
        starts = range(0, stop(n, batch_size) if stop else n, batch_size)
        if full:
            return [np.take(images, np.arange(start, start + batch_size), mode="wrap") for start in starts]
        return [images[start : start + batch_size] for start in starts]

    return minibatches


def _minibatches_observed(function, n, batch_size, rng):
    """Look at two epochs, at most three times as many minibatches as there should be."""
    limit = 3 * -(-n // batch_size)

    def epoch(rng):
        answer = function(n, batch_size, rng)
        found = [array(each, "a minibatch") for each in islice(iter(answer), limit)]
        if any(each.ndim != 1 or each.dtype.kind not in "iu" for each in found):
            raise Unfit("Every minibatch should be an array of integers, the numbers of its images, of shape (m,).")
        return found, np.concatenate([np.zeros(0, int), *found])

    (found, images), (_, later) = epoch(rng), epoch(rng)
    again = epoch(np.random.default_rng(0))[1], epoch(np.random.default_rng(0))[1]
    return {
        "minibatches in an epoch": len(found),
        "images in the last minibatch": len(found[-1]) if found else 0,
        "different images in an epoch": len(set(images.tolist())),
        "images in an epoch": len(images),
        "images in their old order": np.array_equal(images, np.sort(images)),
        "the same order in the second epoch": np.array_equal(images, later),
        "the same order from the same seed": np.array_equal(*again),
    }


def _shuffled(n, rng):
    return rng.permutation(n)


MINIBATCHES = Exercise(
    "minibatches",
    ("n", "batch_size", "rng"),
    ("minibatches",),
    _minibatches,
    lambda: {"107 images, 10 at a time": (107, 10, np.random.default_rng(0)),
             "100 images, 10 at a time": (100, 10, np.random.default_rng(0)),
             "8 images, 10 at a time": (8, 10, np.random.default_rng(0))},
    "rng.permutation(n) puts the numbers 0 to n - 1 in a random order. Cut it into pieces: order[start : start + "
    "batch_size], for start = 0, batch_size, 2 batch_size, ... A slice that reaches beyond the end is simply shorter.",
    (batches,),
    (
        Mistake("incomplete minibatch left out", "When batch_size does not divide n, the last images are never seen.",
                _cut(_shuffled, lambda n, m: n - m + 1)),
        Mistake("off by one at the end", "Even when batch_size divides n, the last minibatch is missing: a range ends "
                "*before* its second argument.", _cut(_shuffled, lambda n, m: n - m)),
        Mistake("filled up with images seen before", "The last minibatch is filled up, so some images come twice.",
                _cut(_shuffled, full=True)),
        Mistake("not shuffled", "The images keep their order.", _cut(lambda n, rng: np.arange(n))),
        Mistake("drawn with replacement", "Each number is drawn anew, so some images come twice and others never. Put "
                "them in a random order instead: rng.permutation(n).", _cut(lambda n, rng: rng.integers(0, n, n))),
        Mistake("the same order in every epoch", SEED_FIXED,
                _cut(lambda n, _: np.random.default_rng(1).permutation(n))),
        Mistake("rng not used", SEED_IGNORED, _cut(lambda n, rng: np.random.default_rng().permutation(n))),
        Mistake("without end", "It goes on after the epoch. It should stop when every image has come once.",
                lambda n, m, rng: (piece for _ in range(9) for piece in _minibatches(n, m, rng))),
    ),
    "lib's goes on without end, one epoch after the other, and does leave out an incomplete minibatch, so that all "
    "steps weigh the same; the course's settings have none. To leave no image out, its inner range must end at n.",
    observe=_minibatches_observed,
    tolerance=0.1,
)  # fmt: skip


# One step with momentum


def _momentum_reference(theta, v, grad, eta, rho):
    theta, v = theta.copy(), v.copy()  # lib's rule changes them in place
    Momentum(rho).update(theta, grad.copy(), eta, v)
    return theta, v


def _momentum(velocity, step=lambda v, new, grad, eta, rho: new):
    """Return a step; velocity: of (v, grad, eta, rho); step: what is subtracted, of (v, new v, grad, eta, rho)."""

    def momentum_step(theta, v, grad, eta, rho):
        new = velocity(v, grad, eta, rho)
        return theta - step(v, new, grad, eta, rho), new

    return momentum_step


def _velocity(v, grad, eta, rho):
    return rho * v + eta * grad


MOMENTUM = Exercise(
    "momentum_step",
    ("theta", "v", "grad", "eta", "rho"),
    ("theta", "v"),
    _momentum_reference,
    lambda: {"a matrix, rho = 0.9": (*normal((4, 3), (4, 3), (4, 3)), 0.1, 0.9),
             "a vector, rho = 0.5": (*normal(5, 5, 5, seed=1), 0.02, 0.5)},
    "Two lines, in the order of the two formulas: first the new velocity, from the old one and the gradient; then "
    "theta minus the new velocity. Write v = rho * v + ..., which makes a new array; v *= rho changes the caller's.",
    (Optimizer.step, Momentum),
    (
        Mistake("rate outside the velocity", "Your velocity is rho v + grad, and the rate comes with the step. That is "
                "PyTorch's form; here it is v = rho v + eta grad, which differs when eta changes.",
                _momentum(lambda v, g, eta, rho: rho * v + g, lambda v, new, g, eta, rho: eta * new)),
        Mistake("rate forgotten", "The gradient enters the velocity without its factor eta.",
                _momentum(lambda v, g, eta, rho: rho * v + g)),
        Mistake("running mean", "You weigh the gradient with 1 - rho. Here the velocity is a sum, not a mean.",
                _momentum(lambda v, g, eta, rho: rho * v + (1 - rho) * eta * g)),
        Mistake("running mean", "You weigh the gradient with 1 - rho. Here the velocity is a sum, not a mean.",
                _momentum(lambda v, g, eta, rho: rho * v + (1 - rho) * g, lambda v, new, g, eta, rho: eta * new)),
        Mistake("step with the old velocity", "theta takes its step with v as it was. Take the new one.",
                _momentum(_velocity, lambda v, new, g, eta, rho: v)),
        Mistake("uphill", "The step is added. Subtract it, to go down.",
                _momentum(_velocity, lambda v, new, g, eta, rho: -new)),
        Mistake("memory forgotten", "The new velocity does not contain rho times the old one.",
                _momentum(lambda v, g, eta, rho: eta * g)),
        Mistake("rho on the gradient too", "rho multiplies the old velocity alone, not the gradient.",
                _momentum(lambda v, g, eta, rho: rho * (v + eta * g))),
        Mistake("Nesterov's step", "This is Nesterov's momentum. Here theta takes the step v itself.",
                _momentum(_velocity, lambda v, new, g, eta, rho: rho * new + eta * g)),
        Mistake("sign of the velocity", "Your velocity points downhill and is added. Here it points uphill and is "
                "subtracted: v = rho v + eta grad, theta - v.",
                _momentum(lambda v, g, eta, rho: rho * v - eta * g, lambda v, new, g, eta, rho: -new)),
    ),
    "lib's rule changes its arrays in place, because new ones would cost time at every update; `step` brings it the "
    "arrays of all layers and adds the penalty's gradient.",
)  # fmt: skip


# The rate


def _at(place, low=lambda eta_min: eta_min, height=lambda low, high: high - low):
    """Return a rate; place: of (t, n_s), 0 at the bottom and 1 at the top of a cycle."""
    return lambda t, eta_min, eta_max, n_s: low(eta_min) + height(eta_min, eta_max) * place(np.asarray(t), n_s)


def _triangle(t, n_s):
    return 1 - np.abs(t % (2 * n_s) / n_s - 1)


def _longer(t, n_s):
    t = t % (2 * n_s + 1)
    return np.minimum(t, 2 * n_s - t) / n_s


RATE = Exercise(
    "cyclical_rate",
    ("t", "eta_min", "eta_max", "n_s"),
    ("eta",),
    lambda t, eta_min, eta_max, n_s: triangular(t, eta_min, eta_max, n_s),
    lambda: {"two cycles, n_s = 5": (np.arange(21), 0.1, 0.7, 5), "n_s = 8": (np.arange(40), 0.02, 0.3, 8),
             "a single update, t = 13": (13, 0.1, 0.7, 5)},
    "t % (2 * n_s) is the place within a cycle: 0, 1, ..., 2 n_s - 1. Divided by n_s it is the tau of the formula. "
    "np.abs and % work on whole arrays, so no if is needed.",
    (triangular,),
    (
        Mistake("off by one at n_s", "Your rate is one update ahead: at t = 0 it has risen already, and the top comes "
                "at n_s - 1.", _at(lambda t, n_s: _triangle(t + 1, n_s))),
        Mistake("off by one at n_s", "Your rate is one update late: the top comes at n_s + 1.",
                _at(lambda t, n_s: _triangle(t - 1, n_s))),
        Mistake("off by one at n_s", "Your cycle has 2 n_s + 1 updates: the bottom is visited twice in a row.",
                _at(_longer)),
        Mistake("off by one at n_s", "At t = n_s you are on the next slope already, or the top lasts for two updates.",
                _at(lambda t, n_s: np.where(t % (2 * n_s) == n_s, _triangle(t + 1, n_s), _triangle(t, n_s)))),
        Mistake("off by one at n_s", "At t = n_s the rate falls to the bottom; it should be eta_max there.",
                _at(lambda t, n_s: np.where(t % (2 * n_s) == n_s, 0, _triangle(t, n_s)))),
        Mistake("starts at the top", "At t = 0 the rate should be eta_min.", _at(lambda t, n_s: 1 - _triangle(t, n_s))),
        Mistake("never falls", "It jumps down after the top. It should fall as slowly as it has risen.",
                _at(lambda t, n_s: t % n_s / n_s)),
        Mistake("never falls", "It jumps down at the end of the cycle. It should fall from t = n_s on.",
                _at(lambda t, n_s: t % (2 * n_s) / (2 * n_s))),
        Mistake("cycle of n_s updates", "n_s is *half* of a cycle: up in n_s updates, and down in another n_s.",
                _at(lambda t, n_s: 1 - np.abs(t % n_s / (n_s / 2) - 1))),
        Mistake("one cycle only", "After the first cycle it does not rise again. The cycle begins anew at 2 n_s.",
                _at(lambda t, n_s: 1 - np.abs(t / n_s - 1))),
        Mistake("one cycle only", "After the first cycle it does not rise again. The cycle begins anew at 2 n_s.",
                _at(lambda t, n_s: np.maximum(1 - np.abs(t / n_s - 1), 0))),
        Mistake("whole numbers only", "Two whole numbers are divided with //, which drops the remainder.",
                _at(lambda t, n_s: 1 - np.abs(t % (2 * n_s) // n_s - 1))),
        Mistake("goes beyond eta_max", "The height of the triangle is eta_max - eta_min, not eta_max.",
                _at(_triangle, height=lambda low, high: high)),
        Mistake("eta_min forgotten", "The bottom of the triangle is eta_min, not 0.",
                _at(_triangle, low=lambda eta_min: 0.0, height=lambda low, high: high)),
        Mistake("eta_min forgotten", "The bottom of the triangle is eta_min, not 0.",
                _at(_triangle, low=lambda eta_min: 0.0)),
    ),
)  # fmt: skip


DECAY = Exercise(
    "decayed_rate",
    ("t", "eta", "factor", "every"),
    ("eta_t",),
    lambda t, eta, factor, every: exponential(t, eta, factor, every),
    lambda: {"every 4 updates": (np.arange(25), 0.1, 0.5, 4), "every update": (np.arange(6), 0.02, 0.9, 1),
             "a single update, t = 9": (9, 0.1, 0.95, 4)},
    "t // every says how often the rate has decayed so far, and factor ** that is what remains. // and ** work on "
    "arrays.",
    (exponential,),
    (
        Mistake("falls between the steps", "The rate should stay the same for `every` updates: divide with //, not /.",
                lambda t, eta, factor, every: eta * factor ** (t / every)),
        Mistake("off by one", "The rate has decayed at t = 0 already. The first `every` updates have the rate eta.",
                lambda t, eta, factor, every: eta * factor ** (t // every + 1)),
        Mistake("off by one", "The rate decays one update too early: at t = every - 1.",
                lambda t, eta, factor, every: eta * factor ** ((t + 1) // every)),
        Mistake("off by one", "The rate decays one update too late: at t = every + 1.",
                lambda t, eta, factor, every: eta * factor ** (np.maximum(np.asarray(t) - 1, 0) // every)),
        Mistake("decays only once", "It decays at t = every and then no more.",
                lambda t, eta, factor, every: np.where(np.asarray(t) >= every, eta * factor, eta)),
        Mistake("decays in every update", "The rate is multiplied by factor in every update; wait for `every` of them.",
                lambda t, eta, factor, every: eta * factor**t),
        Mistake("multiplied, not raised to a power", "factor is multiplied by the number of decays; it is applied once "
                "for each of them: a power.", lambda t, eta, factor, every: eta * factor * (t // every)),
        Mistake("1 - factor", "What is taken off and what remains are exchanged: 0.95 means that 95 % remain.",
                lambda t, eta, factor, every: eta * (1 - factor) ** (t // every)),
    ),
)  # fmt: skip
