"""Update rules: ``step`` changes the parameters in place, down the gradient of the cost.

parameters and gradients are lists with one dict of arrays for each layer, of equal keys and shapes. The gradients are
those of the loss; every rule adds the penalty's, ``2 * l2 * W``, itself. The gradient arrays are overwritten, because
nobody needs them after the step. eta and l2 are scalars, or (T,) for parameters with a trial axis. What a rule
remembers from step to step belongs to its object, so a new object starts afresh.
"""

import numpy as np

LARGE = 1 << 16  # elements; a longer array is updated in blocks of about this size, which stay in the processor's cache


class SGD:
    """Plain stochastic gradient descent: ``theta -= eta * g``."""

    def step(self, parameters, gradients, eta, l2=0.0):
        """Update the parameters by their gradients."""
        decay_weights(parameters, eta, l2)
        eta = common_value(eta, parameters)
        for theta, g in pairs(parameters, gradients):
            g *= per_trial(eta, theta)
            theta -= g


class Momentum:
    """Classical momentum: ``v = rho v + eta g``, ``theta -= v``. Source: Sutskever et al. 2013."""

    def __init__(self, rho=0.9):
        self.rho, self.velocity = rho, None

    def step(self, parameters, gradients, eta, l2=0.0):
        """Update the parameters by their gradients."""
        if self.velocity is None:
            self.velocity = full_like(parameters, 0)
        for theta, g, rate, v in cost_gradients(parameters, gradients, eta, l2, self.velocity):
            g *= rate
            v *= self.rho
            v += g
            theta -= self.change(v, g)

    def change(self, v, g):
        """Return what is taken off the parameters, from the new velocity v and g, the gradient times eta."""
        return v


class Nesterov(Momentum):
    """Nesterov's momentum: ``v = rho v + eta g``, ``theta -= rho v + eta g``.

    Source: Sutskever et al. 2013, rewritten so that the parameters are those at which the gradient is taken.
    """

    def change(self, v, g):
        """Return what is taken off the parameters: the step of the velocity once more, from where it led."""
        return self.rho * v + g


class AdaGrad:
    """``G += g^2``, ``theta -= eta * g / sqrt(G)``; G starts at eps. Source: Duchi et al. 2011."""

    def __init__(self, eps=1e-6):
        self.eps, self.squares = eps, None

    def step(self, parameters, gradients, eta, l2=0.0):
        """Update the parameters by their gradients."""
        if self.squares is None:
            self.squares = full_like(parameters, self.eps)
        for theta, g, rate, G in cost_gradients(parameters, gradients, eta, l2, self.squares):
            root = g * g
            G += root
            np.sqrt(G, out=root)
            g *= rate
            g /= root
            theta -= g


class Adam:
    """Running means of g and g^2, corrected for their start at 0. Source: Kingma & Ba 2015, algorithm 1."""

    def __init__(self, beta1=0.9, beta2=0.999, eps=1e-8):
        self.beta1, self.beta2, self.eps, self.t, self.means, self.squares = beta1, beta2, eps, 0, None, None

    def step(self, parameters, gradients, eta, l2=0.0):
        """Update the parameters by their gradients."""
        if self.means is None:
            self.means, self.squares = full_like(parameters, 0), full_like(parameters, 0)
        self.t += 1
        for theta, g, rate, m, v in cost_gradients(parameters, gradients, eta, l2, self.means, self.squares):
            m += (1 - self.beta1) * (g - m)
            v += (1 - self.beta2) * (g * g - v)
            root = np.sqrt(v / (1 - self.beta2**self.t)) + self.eps
            theta -= rate / (1 - self.beta1**self.t) * m / root


#: the update rules by name; their keywords are the options that an experiment may set
OPTIMIZERS = {"sgd": SGD, "momentum": Momentum, "nesterov": Nesterov, "adagrad": AdaGrad, "adam": Adam}


def decay_weights(parameters, eta, l2):
    """Take the penalty's part of a plain step, ``2 * eta * l2 * W``, off every weight matrix, in place."""
    eta, twice = common_value(eta, parameters), common_value(2 * np.asarray(l2, parameters[0]["W"].dtype), parameters)
    for layer in parameters:
        W = layer["W"]
        W *= 1 - per_trial(eta, W) * per_trial(twice, W)


def cost_gradients(parameters, gradients, eta, l2, *memory):
    """Yield (theta, g, eta, *memory) for all parameters, where g is the gradient of the cost, penalty included.

    memory: what the rule remembers, in the shape of the parameters. Large arrays come in blocks of rows: a rule with a
    memory does several operations on each, which are faster while the block is in the processor's cache.
    """
    eta, twice = common_value(eta, parameters), common_value(2 * np.asarray(l2, parameters[0]["W"].dtype), parameters)
    for layer, *others in zip(parameters, gradients, *memory, strict=True):
        for name, theta in layer.items():
            rate, pull = per_trial(eta, theta), per_trial(twice, theta)
            for some, g, *rest in _blocks(theta, *(other[name] for other in others)):
                if name == "W":
                    g += pull * some
                yield some, g, rate, *rest


def _blocks(*arrays):
    """Yield the arrays; large ones block of rows by block of rows."""
    if arrays[0].size <= LARGE:
        yield arrays
        return
    n = arrays[0].shape[-2]
    rows = max(1, LARGE * n // arrays[0].size)
    for start in range(0, n, rows):
        yield [array[..., start : start + rows, :] for array in arrays]


def common_value(value, parameters):
    """Return ``value``, scalar or (T,), in the parameters' type, as a scalar where all trials have the same value.

    A product with a scalar is three times faster than with one value a trial.
    """
    value = np.asarray(value, parameters[0]["W"].dtype)
    if value.size == 1 or (value == value[0]).all():
        return value.reshape(-1)[0]
    return value


def pairs(parameters, *others):
    """Yield (array, its partner in each of others) for every array of lists of dicts of the same shape."""
    for layer, *rest in zip(parameters, *others, strict=True):
        for name, array in layer.items():
            yield array, *(other[name] for other in rest)


def full_like(parameters, value):
    """Return lists of dicts of arrays of one value in the shape of the parameters."""
    return [{name: np.full_like(array, value) for name, array in layer.items()} for layer in parameters]


def per_trial(value, array, dtype=None):
    """Return ``value``, scalar or (T,), shaped to broadcast over the trial axis of ``array``, in its type or dtype."""
    value = np.asarray(value, dtype or array.dtype)
    if not value.ndim:
        return value
    value = value.reshape(value.shape + (1,) * (array.ndim - 1))
    if array.size > LARGE:  # written out along the last axis: longer inner loops, where the trials lie side by side
        value = np.repeat(value, array.shape[-1], axis=-1)
    return value
