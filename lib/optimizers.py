"""Update rules. ``step`` changes the parameters in place; ``eta`` is a scalar or one rate a trial, (T,).

parameters, gradients: for each layer a dict of equal keys, arrays of equal shapes, with a leading trial axis if eta
is (T,). The gradient arrays are used as scratch: they are not needed after the step. What a rule remembers belongs to
its object: a new object starts afresh.
"""

import numpy as np


class SGD:
    """Plain stochastic gradient descent: ``theta -= eta * g``."""

    def step(self, parameters, gradients, eta):
        """Update the parameters by their gradients."""
        for theta, g in pairs(parameters, gradients):
            g *= per_trial(eta, theta)
            theta -= g


class Momentum:
    """Classical momentum, ``v = rho v + eta g``, ``theta -= v``; with ``nesterov`` ``theta -= rho v + eta g`` instead.

    Source: Sutskever et al. 2013, in the form that looks ahead from the updated parameters.
    """

    def __init__(self, rho=0.9, nesterov=False):
        self.rho, self.nesterov, self.velocity = rho, nesterov, None

    def step(self, parameters, gradients, eta):
        """Update the parameters by their gradients."""
        if self.velocity is None:
            self.velocity = zeros_like(parameters)
        for theta, g, v in pairs(parameters, gradients, self.velocity):
            g *= per_trial(eta, theta)
            v *= self.rho
            v += g
            theta -= self.rho * v + g if self.nesterov else v


class AdaGrad:
    """``G += g^2``, ``theta -= eta * g / sqrt(G + eps)``. Source: Duchi et al. 2011; eps inside the root, as report 004."""

    def __init__(self, eps=1e-6):
        self.eps, self.squares = eps, None

    def step(self, parameters, gradients, eta):
        """Update the parameters by their gradients."""
        if self.squares is None:
            self.squares = zeros_like(parameters)
        for theta, g, G in pairs(parameters, gradients, self.squares):
            G += g * g
            g /= np.sqrt(G + self.eps)
            g *= per_trial(eta, theta)
            theta -= g


class Adam:
    """Running means of g and g^2, corrected for their start at 0. Source: Kingma & Ba 2015, algorithm 1."""

    def __init__(self, beta1=0.9, beta2=0.999, eps=1e-8):
        self.beta1, self.beta2, self.eps, self.t, self.means, self.squares = beta1, beta2, eps, 0, None, None

    def step(self, parameters, gradients, eta):
        """Update the parameters by their gradients."""
        if self.means is None:
            self.means, self.squares = zeros_like(parameters), zeros_like(parameters)
        self.t += 1
        for theta, g, m, v in pairs(parameters, gradients, self.means, self.squares):
            m += (1 - self.beta1) * (g - m)
            v += (1 - self.beta2) * (g * g - v)
            root = np.sqrt(v / (1 - self.beta2**self.t)) + self.eps
            theta -= per_trial(eta, theta) / (1 - self.beta1**self.t) * m / root


#: how Experiment.optimizer names them; each is called with the experiment's momentum
OPTIMIZERS = {
    "sgd": lambda rho: SGD(),
    "momentum": Momentum,
    "nesterov": lambda rho: Momentum(rho, nesterov=True),
    "adagrad": lambda rho: AdaGrad(),
    "adam": lambda rho: Adam(),
}


def pairs(parameters, *others):
    """Yield (array, its partner in each of others) for every array of lists of dicts of the same shape."""
    for layer, *rest in zip(parameters, *others, strict=True):
        for name, array in layer.items():
            yield array, *(other[name] for other in rest)


def zeros_like(parameters):
    """Return lists of dicts of zeros in the shape of the parameters."""
    return [{name: np.zeros_like(array) for name, array in layer.items()} for layer in parameters]


def per_trial(value, array, dtype=None):
    """Return ``value``, scalar or (T,), shaped to broadcast over the trial axis of ``array``, in its type or dtype."""
    value = np.asarray(value, dtype or array.dtype)
    return value.reshape(value.shape + (1,) * (array.ndim - value.ndim)) if value.ndim else value
