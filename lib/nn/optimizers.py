"""Update rules: ``step`` changes the parameters in place, down the gradient of the cost.

parameters and gradients are lists with a dict of arrays for each layer, with the same names and shapes. The gradients
are those of the loss; ``step`` adds that of the penalty, ``2 * l2 * W``, and overwrites the gradient arrays, which
nobody needs any more. eta and l2 are scalars, or (T,) for parameters with a trial axis.
"""

import numpy as np

LARGE = 1 << 16  # elements; longer arrays are updated in blocks of about this size, which fit the processor's cache


class Optimizer:
    """What all rules share. A rule defines ``update(theta, g, eta, *memory)``, which changes arrays in place.

    theta: a parameter array or some of its rows; g: the gradient of the cost, which may be overwritten; memory: what
    the rule remembers for theta, one array for each value in ``starts``, at which it starts. ``t`` counts the steps.
    """

    def __init__(self, *starts):
        self.starts, self.memory, self.t = starts, None, 0

    def step(self, parameters, gradients, eta, l2=0.0):
        """Update the parameters."""
        if self.memory is None:
            self.memory = [[{name: np.full_like(array, start) for name, array in layer.items()} for layer in parameters]
                           for start in self.starts]  # fmt: skip
        self.t += 1
        eta, twice_l2 = common_value(eta, parameters), common_value(2 * np.asarray(l2), parameters)
        for layer, *others in zip(parameters, gradients, *self.memory, strict=True):
            for name, array in layer.items():
                rate, pull = per_trial(eta, array), per_trial(twice_l2, array)
                for theta, g, *memory in _blocks(array, *(other[name] for other in others)):
                    if name == "W":
                        self.penalise(theta, g, rate, pull)
                    self.update(theta, g, rate, *memory)

    def penalise(self, W, g, eta, twice_l2):
        """Add the gradient of the penalty to g."""
        g += twice_l2 * W


class SGD(Optimizer):
    """Plain stochastic gradient descent: ``theta -= eta * g``."""

    def penalise(self, W, g, eta, twice_l2):
        """Take the penalty's part of the step at once, which is faster than adding it to g."""
        W *= 1 - eta * twice_l2

    def update(self, theta, g, eta):
        g *= eta
        theta -= g


class Momentum(Optimizer):
    """Classical momentum: ``v = rho v + eta g``, ``theta -= v``. Source: Sutskever et al. 2013."""

    def __init__(self, rho=0.9):
        super().__init__(0)
        self.rho = rho

    def update(self, theta, g, eta, v):
        g *= eta
        v *= self.rho
        v += g
        theta -= v


class Nesterov(Momentum):
    """Nesterov's momentum: ``v = rho v + eta g``, ``theta -= rho v + eta g``.

    Source: Sutskever et al. 2013, rewritten so that theta is the point at which they take the gradient.
    """

    def update(self, theta, g, eta, v):
        g *= eta
        v *= self.rho
        v += g
        theta -= self.rho * v + g


class AdaGrad(Optimizer):
    """``G += g^2``, ``theta -= eta * g / sqrt(G)``; G starts at eps. Source: Duchi et al. 2011."""

    def __init__(self, eps=1e-6):
        super().__init__(eps)

    def update(self, theta, g, eta, G):
        root = g * g
        G += root
        np.sqrt(G, out=root)
        g *= eta
        g /= root
        theta -= g


class Adam(Optimizer):
    """Running means of g and g^2, corrected for their start at 0. Source: Kingma & Ba 2015, algorithm 1."""

    def __init__(self, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(0, 0)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def update(self, theta, g, eta, m, v):
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
    """Return ``value``, scalar or (T,), in the parameters' type; a scalar, which is faster, if all values are equal."""
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
