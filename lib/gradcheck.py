"""Are the gradients right? Finite differences, automatic differentiation, and a verdict on how far they are apart.

All functions take one network in float64, because in float32 rounding would drown the differences, images X (n, d)
float64, integer labels y (n,), and lambda. The cost is that of training: batch normalisation uses the statistics of X.
Dropout drops the same units in every evaluation.

**A network of your own** may be of any class that has ``layers``, a list with a dict {name: float64 array} for each
layer, where "W" is what the penalty is on; ``forward(X, training=True, rng=generator)``, which uses these very arrays
and returns scores (n, K) and a cache; and ``backward(grad_scores, cache)``, which returns the gradients for
grad_scores (n, K), without the penalty's, in the shape of ``layers``.

**When does a gradient pass?** An entry passes if the analytic and the numerical value differ by at most ROUNDING +
RELATIVE * (the larger of the two), and an array passes if all its entries do. ROUNDING is the error that no centred
difference can avoid: J is known to about 1e-16 J, which the division by 2h, h = 1e-5, turns into 1e-11, and somewhat
more after many operations. That is why an entry near zero does not count by its relative error: if the derivative is
1e-10, a check that says 2e-10 has found nothing wrong. RELATIVE leaves room for the curvature of J. The networks of the
course use less than a fifth of it, while a formula that is wrong by one part in ten thousand does not pass.

A ReLU whose input changes sign between the two points spoils the difference although the formula is right. With
h = 1e-5 this is rare: try another seed before looking for a mistake.
"""

import numpy as np

from lib.nn.losses import LOSSES, l2_penalty
from lib.nn.network import Network
from lib.nn.training import gradients as loss_gradients

ROUNDING, RELATIVE, STEP = 1e-9, 1e-5, 1e-5  # STEP is h of the finite differences


def cost(network, X, y, l2, loss="softmax"):
    """Return the cost J, a scalar. Raises ValueError for T networks at once and for other types than float64."""
    weights = [layer["W"] for layer in network.layers if "W" in layer]
    if any(W.ndim != 2 or W.dtype != np.float64 for W in weights) or X.dtype != np.float64:
        raise ValueError("gradients are checked for one network at a time, with weights and X in float64")
    scores, _ = network.forward(X, training=True, rng=np.random.default_rng(0))  # always the same masks of dropout
    return LOSSES[loss][0](scores, y)[0] + l2_penalty(weights, l2)


def gradients(network, X, y, l2, loss="softmax"):
    """Return the analytic gradients of ``cost``, those that training uses, in the shape of ``network.layers``."""
    grads, _ = loss_gradients(network, X, y, loss=loss, rng=np.random.default_rng(0))
    for layer, grad in zip(network.layers, grads, strict=True):
        if "W" in layer:
            grad["W"] = grad["W"] + 2 * l2 * layer["W"]
    return grads


def numerical_gradients(network, X, y, l2, loss="softmax", *, h=STEP, centred=True):
    """Return the finite-difference gradients of ``cost`` in the shape of ``network.layers``.

    Centred ``(J(x + h) - J(x - h)) / 2h`` with an error of order h^2, or forward ``(J(x + h) - J(x)) / h`` with one of
    order h. Every entry costs one or two evaluations, so use few inputs.
    """
    problem = network, X, y, l2, loss
    return [layer_differences(layer, h, centred, problem) for layer in network.layers]


def layer_differences(layer, h, centred, problem, without=()):
    arrays = {name: array for name, array in layer.items() if name not in without}
    return {name: differences(array, lambda: cost(*problem), h, centred) for name, array in arrays.items()}


def differences(array, function, h=STEP, centred=True, grad_out=1.0):
    """Return the finite differences of sum(grad_out * function()) over every entry of an array that function reads.

    The array is moved and put back. Differences are taken before the sum, so that what does not change cancels.
    """
    gradient, start = np.zeros_like(array), function()
    for index in np.ndindex(array.shape):
        old = array[index]
        array[index] = old + h
        above = function()
        array[index] = old - h
        below = function() if centred else start
        array[index] = old
        gradient[index] = np.sum(grad_out * (above - below)) / (2 * h if centred else h)
    return gradient


def autodiff_gradients(network, X, y, l2, loss="softmax"):
    """Return the gradients of J by reverse-mode automatic differentiation, in the shape of ``network.layers``.

    A second opinion: the cost is written again from its formulas, and the package autograd (Maclaurin et al. 2015)
    differentiates it. No code of lib.nn is used, except that dropout takes its masks from the network.
    """
    import autograd.numpy as anp
    from autograd import grad

    _, (_, *caches) = network.forward(X, training=True, rng=np.random.default_rng(0))
    masks, Y = [cache.get("dropout", 1.0) for cache in caches], np.eye(network.layers[-1]["W"].shape[1])[y]

    def normalised(S, layer):
        if "gamma" not in layer:
            return S
        centred = S - anp.mean(S, axis=0)
        return layer["gamma"] * centred / anp.sqrt(anp.mean(centred**2, axis=0) + network.eps) + layer["beta"]

    def mean_loss(S):
        if loss == "sigmoid":
            P = 1 / (1 + anp.exp(-S))
            return -anp.mean(Y * anp.log(P) + (1 - Y) * anp.log(1 - P))
        if loss == "hinge":
            of_true_class = anp.sum(S * Y, axis=1, keepdims=True)
            return anp.mean(anp.sum((1 - Y) * anp.maximum(S - of_true_class + 1, 0), axis=1))
        P = anp.exp(S) / anp.sum(anp.exp(S), axis=1, keepdims=True)
        return -anp.mean(anp.sum(Y * anp.log(P), axis=1))

    def formula(layers):
        H, penalty = X, 0.0
        for index, layer in enumerate(layers):
            S = anp.dot(H, layer["W"]) + layer["b"]
            penalty = penalty + anp.sum(layer["W"] ** 2)
            if index < len(masks):
                H = normalised(anp.maximum(S, 0), layer) if network.after_relu else anp.maximum(normalised(S, layer), 0)
                H = H * masks[index]
        return mean_loss(S) + l2 * penalty

    return grad(formula)(network.layers)


def errors(a, b, rounding=ROUNDING):
    """Return measures of the distance between two gradients of one array, as a dict: six floats and the verdict.

    "absolute": max |a - b|; "relative": max |a - b| / (|a| + |b|), the course's; "entry": the size of the entry with
    that largest relative error; "relative_max": max |a - b| / max(|a|, |b|), report 000's; "norm": ||a - b|| / (||a|| +
    ||b||); "mean": mean |a - b| / max(|a| + |b|), report 001's; "passes": the verdict as stated at the top, a bool.
    Entries in which both are below rounding are left out of the entrywise relative measures; if all are, as for a bias
    in front of batch normalisation, the relative measures are 0.
    """
    difference, size, larger = np.abs(a - b), np.abs(a) + np.abs(b), np.maximum(np.abs(a), np.abs(b))
    found = {"absolute": difference.max(), "relative": 0.0, "entry": 0.0, "relative_max": 0.0, "norm": 0.0, "mean": 0.0}
    measured = larger > rounding
    if measured.any():
        relative = difference[measured] / size[measured]
        found["relative"], found["entry"] = relative.max(), larger[measured][relative.argmax()]
        found["relative_max"] = (difference[measured] / larger[measured]).max()
        found["norm"] = np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b))
        found["mean"] = difference.mean() / size.max()
    return found | {"passes": bool((difference <= rounding + RELATIVE * larger).all())}  # False for NaN


def compare(network, X, y, l2, loss="softmax"):
    """Return one row for each array of a network: its analytic gradient against three others.

    A row is {"array": "W1", ...} with the ``errors`` against centred differences and the norm-wise errors against
    "forward" differences and, for lib's own Network, "automatic" differentiation. Its "passes" is True if the gradient
    passes against centred differences and automatic differentiation; forward ones are too coarse for a verdict.
    """
    problem = network, X, y, l2, loss
    analytic, centred, forward = gradients(*problem), *(numerical_gradients(*problem, centred=c) for c in (True, False))
    automatic = autodiff_gradients(*problem) if type(network) is Network else None
    rows = []
    for index, layer in enumerate(network.layers):
        for name in layer:
            grad = analytic[index][name]
            row = {"array": f"{name}{index + 1}"} | errors(grad, centred[index][name])
            row["forward"] = errors(grad, forward[index][name])["norm"]
            if automatic:
                second = errors(grad, automatic[index][name])
                row |= {"automatic": second["norm"], "passes": row["passes"] and second["passes"]}
            rows.append(row)
    return rows
