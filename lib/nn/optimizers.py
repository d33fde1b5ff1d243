"""Update rules: ``step`` changes the parameters in place, down the gradient of the cost.

parameters and gradients are lists with a dict of arrays for each layer, with the same names and shapes. The gradients
are those of the loss; ``step`` adds that of the penalty, ``2 * l2 * W``, and overwrites the gradient arrays, which
nobody needs any more. eta and l2 are scalars, or (T,) for parameters with a trial axis. What a rule remembers from
one step to the next belongs to the object, so a new object starts afresh.
"""

import numpy as np

LARGE = 1 << 16  # elements; longer arrays are updated in blocks of about this size, which fit the processor's cache


class SGD:
    """Plain stochastic gradient descent: ``theta -= eta * g``."""

    def step(self, parameters, gradients, eta, l2=0.0):
        """Update the parameters; the penalty is a factor of W, which is faster than a term of its gradient."""
        eta, twice_l2 = common_value(eta, parameters), common_value(2 * np.asarray(l2), parameters)
        for layer, grads in zip(parameters, gradients, strict=True):
            for name, theta in layer.items():
                rate, g = per_trial(eta, theta), grads[name]
                if name == "W":
                    theta *= 1 - rate * per_trial(twice_l2, theta)
                g *= rate
                theta -= g


class Rule:
    """What the other rules share. A rule defines ``update(theta, g, eta, *memory)``, which changes arrays in place.

    theta: a parameter array or some of its rows; g: the gradient of the cost, penalty included, which may be
    overwritten; memory: the arrays that the rule remembers for theta, one for each value in ``starts``, at which they
    start. ``t`` counts the steps from 1.
    """

    def __init__(self, *starts):
        self.starts, self.memory, self.t = starts, None, 0

    def step(self, parameters, gradients, eta, l2=0.0):
        """Update the parameters."""
        if self.memory is None:
            self.memory = [full_like(parameters, start) for start in self.starts]
        self.t += 1
        eta, twice_l2 = common_value(eta, parameters), common_value(2 * np.asarray(l2), parameters)
        for layer, *others in zip(parameters, gradients, *self.memory, strict=True):
            for name, theta in layer.items():
                rate, pull = per_trial(eta, theta), per_trial(twice_l2, theta)
                for rows, g, *memory in _blocks(theta, *(other[name] for other in others)):
                    if name == "W":
                        g += pull * rows
                    self.update(rows, g, rate, *memory)


class Momentum(Rule):
    """Classical momentum: ``v = rho v + eta g``, ``theta -= v``. Source: Sutskever et al. 2013."""

    def __init__(self, rho=0.9):
        super().__init__(0)
        self.rho = rho

    def update(self, theta, g, eta, v):
        """Update theta and its velocity v."""
        g *= eta
        v *= self.rho
        v += g
        theta -= v


class Nesterov(Momentum):
    """Nesterov's momentum: ``v = rho v + eta g``, ``theta -= rho v + eta g``.

    Source: Sutskever et al. 2013, rewritten so that the parameters are those at which the gradient is taken.
    """

    def update(self, theta, g, eta, v):
        """Update theta and its velocity v."""
        g *= eta
        v *= self.rho
        v += g
        theta -= self.rho * v + g


class AdaGrad(Rule):
    """``G += g^2``, ``theta -= eta * g / sqrt(G)``; G starts at eps. Source: Duchi et al. 2011."""

    def __init__(self, eps=1e-6):
        super().__init__(eps)

    def update(self, theta, g, eta, G):
        """Update theta and its sum of squares G."""
        root = g * g
        G += root
        np.sqrt(G, out=root)
        g *= eta
        g /= root
        theta -= g


class Adam(Rule):
    """Running means of g and g^2, corrected for their start at 0. Source: Kingma & Ba 2015, algorithm 1."""

    def __init__(self, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(0, 0)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def update(self, theta, g, eta, m, v):
        """Update theta and its running means m of g and v of g^2."""
        m += (1 - self.beta1) * (g - m)
        v += (1 - self.beta2) * (g * g - v)
        root = np.sqrt(v / (1 - self.beta2**self.t)) + self.eps
        theta -= eta / (1 - self.beta1**self.t) * m / root


#: the update rules by name; their keywords are the options that an experiment may set
OPTIMIZERS = {"sgd": SGD, "momentum": Momentum, "nesterov": Nesterov, "adagrad": AdaGrad, "adam": Adam}


def _blocks(*arrays):
    """Yield the arrays, large ones a block of rows at a time: several operations in a row are faster in the cache."""
    if arrays[0].size <= LARGE:
        yield arrays
        return
    n = arrays[0].shape[-2]
    rows = max(1, LARGE * n // arrays[0].size)
    for start in range(0, n, rows):
        yield [array[..., start : start + rows, :] for array in arrays]


def common_value(value, parameters):
    """Return ``value``, scalar or (T,), in the parameters' type, as a scalar if all trials have the same value.

    A product with a scalar is three times faster than with one value for each trial.
    """
    value = np.asarray(value, parameters[0]["W"].dtype)
    if value.size == 1 or (value == value[0]).all():
        return value.reshape(-1)[0]
    return value


def per_trial(value, array, dtype=None):
    """Return ``value``, scalar or (T,), shaped to broadcast over the trial axis of ``array``, in its type or dtype."""
    value = np.asarray(value, dtype or array.dtype)
    if not value.ndim:
        return value
    value = value.reshape(value.shape + (1,) * (array.ndim - 1))
    if array.size > LARGE:  # repeated along the last axis, for longer inner loops where the trials lie side by side
        value = np.repeat(value, array.shape[-1], axis=-1)
    return value


def pairs(parameters, *others):
    """Yield (array, its partner in each of others) for every array of lists of dicts of the same shape."""
    for layer, *rest in zip(parameters, *others, strict=True):
        for name, array in layer.items():
            yield array, *(other[name] for other in rest)


def full_like(parameters, value):
    """Return lists of dicts of arrays of one value, in the shape of the parameters."""
    return [{name: np.full_like(array, value) for name, array in layer.items()} for layer in parameters]
