"""The gradient checks of reports: numbers that are read from the gradients of a new network, not from training."""

import json
from functools import cache

import numpy as np

from lib import data, gradcheck
from lib.nn.layers import affine_forward
from lib.nn.losses import LOSSES
from lib.nn.network import create
from lib.nn.splits import split
from workbook.claims.file import KINDS
from workbook.runs.experiment import make


def value(settings, how, seed, data_name):
    """Return an error or a sum of gradients, as ``how`` of a Quantity says."""
    kind, array, source = how.split()
    problem = {name: value for name, value in settings.items() if name not in ("measure", "labels", "threshold")}
    arguments = json.dumps(problem), seed, data_name
    if kind == "sum":
        swapped = {"numerical": "analytic", "analytic": "numerical"} if settings.get("labels") == "swapped" else {}
        return _gradients(swapped.get(source, source), *arguments)[array].sum()
    ours, others = _gradients("analytic", *arguments), _gradients(source, *arguments)
    measured = [gradcheck.errors(ours[each], others[each]) for each in (ours if array == "all" else [array])]
    return max(errors[settings.get("measure", "relative")] for errors in measured)


@cache
def _gradients(source, problem, seed, data_name):
    """Return {"W1": gradient, ...} of a new network on the first training images, float64. problem: in JSON."""
    asked = json.loads(problem)
    one = make({field: value for field, value in asked.items() if field not in KINDS["gradient check"]})
    rng = np.random.default_rng(seed)
    train = split(data.load(data_name), one.split, one.normalisation, rng=rng).train
    X = train.batch(slice(0, asked.get("images", 20)), dtype=np.float64)[:, : asked.get("inputs")]
    how = {"bias_std": one.bias_std, "batch_norm": one.batch_norm, "eps": one.bn_eps, "dtype": np.float64}
    network = create((X.shape[1], *one.hidden, 10), one.init, rng, **how)
    problem = network, X, train.labels[: len(X)], one.l2
    if source == "analytic":
        found = gradcheck.gradients(*problem)
    elif source == "autograd":
        found = gradcheck.autodiff_gradients(*problem)
    elif "inputs" in asked:
        found = gradcheck.numerical_gradients(*problem, centred=asked.get("scheme") != "forward")
    else:
        found = wide(*problem[:3])
        for layer, own in zip(found, network.layers, strict=True):  # these are of the loss alone
            layer["W"] = layer["W"] + 2 * one.l2 * own["W"]
    return {f"{name}{i + 1}": array for i, layer in enumerate(found) for name, array in layer.items()}


def wide(network, X, y, loss="softmax", *, h=gradcheck.STEP):
    """Return the centred differences of the loss, without penalty, for a network of thousands of inputs.

    Moving entry (i, j) of the first W by h moves output j of that layer by h X[:, i] and nothing else, so the product
    with the other inputs is not repeated, and all units j are moved in one pass.
    """
    (first, *others), problem = network.layers, (network, X, y, 0.0, loss)
    S, units = affine_forward(X, first["W"], first["b"])[0], np.eye(len(first["b"]))[:, None, :]

    def losses(shift):
        scores, _ = network.forward_hidden(S + shift[:, None] * units, "batch", np.random.default_rng(0))
        return LOSSES[loss][0](scores, y)[0]

    columns = np.stack([(losses(h * x) - losses(-h * x)) / (2 * h) for x in X.T])
    in_first = {"W": columns} | gradcheck.layer_differences(first, h, True, problem, without=("W",))
    return [in_first, *(gradcheck.layer_differences(layer, h, True, problem) for layer in others)]
