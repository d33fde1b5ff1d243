"""Update rules. ``step`` changes the parameters in place; ``eta`` is a scalar or one rate a trial, (T,)."""

import numpy as np


class SGD:
    """Plain stochastic gradient descent: ``theta -= eta * g``."""

    def step(self, parameters, gradients, eta):
        """Update a list of dicts of arrays by the list of dicts of their gradients.

        parameters, gradients: for each layer a dict of equal keys, arrays of equal shapes, with a leading trial axis
        if eta is (T,). The gradient arrays are used as scratch: they are not needed after the step.
        """
        for layer, grads in zip(parameters, gradients, strict=True):
            for name, theta in layer.items():
                g = grads[name]
                g *= per_trial(eta, theta)
                theta -= g


def per_trial(value, array):
    """Return ``value``, scalar or (T,), shaped to broadcast over the trial axis of ``array`` and in its type."""
    value = np.asarray(value, array.dtype)
    return value.reshape(value.shape + (1,) * (array.ndim - value.ndim)) if value.ndim else value
