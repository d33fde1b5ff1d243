"""Are the gradients right? Finite differences, automatic differentiation, and measures of how far they are apart.

All in float64: in float32 the differences drown in rounding.
"""

import numpy as np

from lib.nn.layers import affine_forward
from lib.nn.losses import l2_penalty, softmax_cross_entropy_forward
from lib.nn.training import gradients as loss_gradients

#: gradient entries below this are zero up to rounding, as those of a bias before batch normalisation
ZERO = 1e-10


def cost(network, X, y, l2):
    """Return the cost J (scalar) of a network without trial axis; batch normalisation uses the batch, as in training.

    X (n, d) float64; y (n,) integer labels.
    """
    scores, _ = network.forward(X, training=True)
    return softmax_cross_entropy_forward(scores, y)[0] + l2_penalty(network.weights, l2)


def gradients(network, X, y, l2):
    """Return the analytic gradients of ``cost``, those that training uses, in the shape of ``network.layers``."""
    grads, _ = loss_gradients(network, X, y)
    for layer, grad in zip(network.layers, grads, strict=True):
        grad["W"] += 2 * l2 * layer["W"]
    return grads


def numerical_gradients(network, X, y, l2, *, h=1e-5, centred=True):
    """Return the finite-difference gradients of ``cost`` in the shape of ``network.layers``.

    Centred ``(J(x + h) - J(x - h)) / 2h``, error of order h^2, or forward ``(J(x + h) - J(x)) / h``, order h. The
    network's arrays are moved and put back, entry by entry: use few inputs.
    """
    start = cost(network, X, y, l2)
    return [{name: _differences(array, h, centred, start, (network, X, y, l2)) for name, array in layer.items()}
            for layer in network.layers]  # fmt: skip


def _differences(array, h, centred, start, problem):
    """Finite differences of the cost over every entry of one array of the network."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        old = array[index]
        array[index] = old + h
        above = cost(*problem)
        array[index] = old - h
        below = cost(*problem) if centred else start
        array[index] = old
        gradient[index] = (above - below) / (2 * h if centred else h)
    return gradient


def wide_gradients(network, X, y, *, h=1e-5):
    """Return the centred differences of the loss, as ``numerical_gradients``, for a network of thousands of inputs.

    Moving entry (i, j) of the first W by h moves output j of that layer by h X[:, i] and nothing else, so the product
    with the other inputs is not repeated, and all units j are moved in one pass.
    """
    first, problem = network.layers[0], (network, X, y, 0.0)
    S, units = affine_forward(X, first["W"], first["b"])[0], np.eye(len(first["b"]))[:, None, :]

    def losses(shift):
        scores, _ = network.forward_hidden(S + shift[:, None] * units, "batch")
        return softmax_cross_entropy_forward(scores, y)[0]

    gradients = [{name: _differences(array, h, True, 0.0, problem) for name, array in layer.items() if name != "W"}
                 for layer in network.layers[:1]]  # fmt: skip
    gradients[0]["W"] = np.stack([(losses(h * x) - losses(-h * x)) / (2 * h) for x in X.T])
    return gradients + [{name: _differences(array, h, True, 0.0, problem) for name, array in layer.items()}
                        for layer in network.layers[1:]]  # fmt: skip


def autodiff_gradients(network, X, y, l2):
    """Return the gradients of J by reverse-mode automatic differentiation, in the shape of ``network.layers``.

    A second opinion: the cost is written again from its formula, and the package autograd (Maclaurin et al. 2015)
    differentiates it; no code of lib.nn.layers or lib.nn.losses is used.
    """
    import autograd.numpy as anp
    from autograd import grad

    def formula(layers):
        H, penalty = X, 0.0
        for layer in layers:
            S = anp.dot(H, layer["W"]) + layer["b"]
            if "gamma" in layer:
                centred = S - anp.mean(S, axis=0)
                normalised = centred / anp.sqrt(anp.mean(centred**2, axis=0) + network.eps)
                S = layer["gamma"] * normalised + layer["beta"]
            H = anp.maximum(S, 0)
            penalty = penalty + anp.sum(layer["W"] ** 2)
        P = anp.exp(S) / anp.sum(anp.exp(S), axis=1, keepdims=True)
        return -anp.mean(anp.log(P[np.arange(len(y)), y])) + l2 * penalty

    return grad(formula)(network.layers)


def errors(a, b):
    """Return five measures of the distance between two gradients of one array, as a dict of floats.

    "absolute": max |a - b|; "relative": max |a - b| / (|a| + |b|), the course's; "relative_max": max |a - b| /
    max(|a|, |b|), report 000's; "norm": ||a - b|| / (||a|| + ||b||); "mean": mean |a - b| / max(|a| + |b|), report
    001's. Entries in which both are below ZERO count as equal in the two entrywise relative measures, and an array of
    such entries alone has all four relative measures 0.
    """
    difference, size, larger = np.abs(a - b), np.abs(a) + np.abs(b), np.maximum(np.abs(a), np.abs(b))
    measured = larger > ZERO
    if not measured.any():
        return {"absolute": difference.max(), "relative": 0.0, "relative_max": 0.0, "norm": 0.0, "mean": 0.0}
    return {
        "absolute": difference.max(),
        "relative": (difference[measured] / size[measured]).max(),
        "relative_max": (difference[measured] / larger[measured]).max(),
        "norm": np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b)),
        "mean": difference.mean() / size.max(),
    }


def compare(network, X, y, l2):
    """Return one row for each array of a network: the analytic gradient against three others.

    A row is {"array": "W1", ...} with the five ``errors`` against centred differences, and the norm-wise error
    against "forward" differences and "automatic" differentiation. Arguments as for ``cost``.
    """
    analytic = gradients(network, X, y, l2)
    centred = numerical_gradients(network, X, y, l2)
    forward = numerical_gradients(network, X, y, l2, centred=False)
    automatic = autodiff_gradients(network, X, y, l2)
    return [
        {"array": f"{name}{index + 1}"}
        | errors(grad, centred[index][name])
        | {"forward": errors(grad, forward[index][name])["norm"]}
        | {"automatic": errors(grad, automatic[index][name])["norm"]}
        for index, layer in enumerate(analytic)
        for name, grad in layer.items()
    ]
