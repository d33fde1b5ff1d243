"""Update rules: ``step`` changes the parameters in place, down the gradient of the cost.

parameters, gradients: for each layer a dict of equal keys, arrays of equal shapes, with a leading trial axis if eta
and l2 are (T,). gradients are those of the loss; each rule adds the penalty's, ``2 * l2 * W``, on the way. The gradient
arrays are used as scratch: they are not needed after the step. eta and l2 are scalars or one a trial, (T,). What a
rule remembers belongs to its object: a new object starts afresh.
"""

import numpy as np

LARGE = 1 << 16  # elements: a longer array is walked through in parts of about this size, to stay in the cache


class SGD:
    """Plain stochastic gradient descent: ``theta -= eta * g``."""

    def step(self, parameters, gradients, eta, l2=0.0):
        """Update the parameters by their gradients."""
        for theta, g, rate in updates(parameters, gradients, eta, l2):
            g *= rate
            theta -= g


class Momentum:
    """Classical momentum, ``v = rho v + eta g``, ``theta -= v``; with ``nesterov`` ``theta -= rho v + eta g`` instead.

    Source: Sutskever et al. 2013, in the form that looks ahead from the updated parameters.
    """

    def __init__(self, rho=0.9, nesterov=False):
        self.rho, self.nesterov, self.velocity = rho, nesterov, None

    def step(self, parameters, gradients, eta, l2=0.0):
        """Update the parameters by their gradients."""
        if self.velocity is None:
            self.velocity = full_like(parameters, 0)
        for theta, g, rate, v in updates(parameters, gradients, eta, l2, self.velocity):
            g *= rate
            v *= self.rho
            v += g
            theta -= self.rho * v + g if self.nesterov else v


class AdaGrad:
    """``G += g^2``, ``theta -= eta * g / sqrt(G)``; G starts at eps, inside the root. Source: Duchi et al. 2011."""

    def __init__(self, eps=1e-6):
        self.eps, self.squares = eps, None

    def step(self, parameters, gradients, eta, l2=0.0):
        """Update the parameters by their gradients."""
        if self.squares is None:
            self.squares = full_like(parameters, self.eps)
        for theta, g, rate, G in updates(parameters, gradients, eta, l2, self.squares):
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
        for theta, g, rate, m, v in updates(parameters, gradients, eta, l2, self.means, self.squares):
            m += (1 - self.beta1) * (g - m)
            v += (1 - self.beta2) * (g * g - v)
            root = np.sqrt(v / (1 - self.beta2**self.t)) + self.eps
            theta -= rate / (1 - self.beta1**self.t) * m / root


#: how Experiment.optimizer names them; each is called with the experiment's momentum
OPTIMIZERS = {
    "sgd": lambda rho: SGD(),
    "momentum": Momentum,
    "nesterov": lambda rho: Momentum(rho, nesterov=True),
    "adagrad": lambda rho: AdaGrad(),
    "adam": lambda rho: Adam(),
}


def updates(parameters, gradients, eta, l2, *memory):
    """Yield (theta, g, eta, *memory) for all parameters, g the gradient of the cost, penalty included.

    Without memory the penalty's part of the step, ``-2 eta l2 W``, is taken before, and g is the loss's alone. With it
    large arrays come in blocks of rows: more operations follow on each, which go faster in the cache.
    """
    dtype = parameters[0]["W"].dtype
    eta, shrink = (_alike(np.asarray(x, dtype)) for x in (eta, 2 * np.asarray(l2, dtype)))
    for layer, *others in zip(parameters, gradients, *memory, strict=True):
        for name, theta in layer.items():
            g, *rest = (other[name] for other in others)
            rate, pull = per_trial(eta, theta), per_trial(shrink, theta) if name == "W" else None
            if not rest:  # nothing remembers g: the same sum in one pass over the array less
                if name == "W":
                    theta *= 1 - rate * pull
                yield theta, g, rate
            for some, g_some, *rest_some in _blocks(theta, g, *rest) if rest else ():
                if name == "W":
                    g_some += pull * some
                yield some, g_some, rate, *rest_some


def _blocks(*arrays):
    """Yield the arrays, large ones block of rows by block of rows."""
    if arrays[0].size <= LARGE:
        yield arrays
        return
    n = arrays[0].shape[-2]
    rows = max(1, LARGE * n // arrays[0].size)
    for start in range(0, n, rows):
        yield [array[..., start : start + rows, :] for array in arrays]


def _alike(value):
    """A scalar where all trials have the same value: a product with it is three times faster than with one a trial."""
    return value.reshape(-1)[0] if value.size == 1 or (value == value[0]).all() else value


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
