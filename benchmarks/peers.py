"""The same training steps in PyTorch and scikit-learn, on the same images in float32.

All use plain SGD; PyTorch's weight_decay is 2 lambda, on weight matrices only, which is our penalty.
"""

from itertools import pairwise

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from torch import nn
from torch.nn import functional as F

from benchmarks.ours import BATCH, ETA, L2


def threads(n):
    """Let PyTorch and BLAS use n threads."""
    torch.set_num_threads(n)


def network(hidden, batch_norm):
    """Return the network as PyTorch users write it."""
    modules = []
    for d_in, d_out in pairwise((3072, *hidden)):
        modules += [nn.Linear(d_in, d_out), *([nn.BatchNorm1d(d_out)] if batch_norm else []), nn.ReLU()]
    return nn.Sequential(*modules, nn.Linear((3072, *hidden)[-1], 10))


def sgd(parameters, l2=L2, matrix=2):
    """Return plain SGD with weight decay on arrays of ``matrix`` axes and more."""
    parameters = list(parameters)
    weights, others = ([p for p in parameters if (p.ndim >= matrix) == is_weight] for is_weight in (True, False))
    return torch.optim.SGD([{"params": weights, "weight_decay": 2 * l2}, {"params": others}], lr=ETA)


def indices(n):
    """Yield the indices of minibatches, shuffled every epoch."""
    while True:
        order = torch.randperm(n)
        for start in range(0, n - BATCH + 1, BATCH):
            yield order[start : start + BATCH]


def eager(X, y, hidden, batch_norm, *, n_threads=1, trials=1, compiled=False):
    """Return a function that does one update of each of ``trials`` networks in a loop."""
    models = [network(hidden, batch_norm) for _ in range(trials)]
    optimizers = [sgd(model.parameters()) for model in models]
    order, forward = indices(len(X)), [torch.compile(model) if compiled else model for model in models]

    def update():
        threads(n_threads)
        some = next(order)
        batch, labels = X[some], y[some]
        for model, optimizer in zip(forward, optimizers, strict=True):
            optimizer.zero_grad()
            F.cross_entropy(model(batch), labels).backward()
            optimizer.step()

    return update


def batched(X, y, hidden, batch_norm, *, trials, n_threads=1, vmap=False):
    """Return a function that updates all networks at once, by stacked products (bmm) or by torch.func.vmap.

    Batch normalisation without running averages, which is to PyTorch's advantage.
    """
    parameters = {}
    for index, (d_in, d_out) in enumerate(pairwise((3072, *hidden, 10))):
        parameters[f"W{index}"] = torch.randn(trials, d_in, d_out) / d_in**0.5
        parameters[f"b{index}"] = torch.zeros(trials, 1, d_out)
        if batch_norm and index < len(hidden):
            parameters[f"gamma{index}"], parameters[f"beta{index}"] = (
                torch.ones(trials, 1, d_out),
                torch.zeros(trials, 1, d_out),
            )
    weights = [p.requires_grad_(not vmap) for name, p in parameters.items() if name[0] == "W"]
    others = [p.requires_grad_(not vmap) for name, p in parameters.items() if name[0] != "W"]
    optimizer = torch.optim.SGD([{"params": weights, "weight_decay": 2 * L2}, {"params": others}], lr=ETA)
    order, gradient = indices(len(X)), torch.func.vmap(torch.func.grad(_cost), in_dims=(0, None, None))

    def update():
        threads(n_threads)
        some = next(order)
        if vmap:
            for name, g in gradient(parameters, X[some], y[some]).items():
                parameters[name].grad = g
        else:
            optimizer.zero_grad()
            _cost(parameters, X[some], y[some]).backward()
        optimizer.step()

    return update


def _cost(parameters, X, y):
    """Return the mean loss of one network, or the sum of the mean losses of stacked ones."""
    last = sum(name[0] == "W" for name in parameters) - 1
    for index in range(last + 1):
        X = X @ parameters[f"W{index}"] + parameters[f"b{index}"]
        if f"gamma{index}" in parameters:
            variance, mean = torch.var_mean(X, -2, correction=0, keepdim=True)
            X = (X - mean) * torch.rsqrt(variance + 1e-5) * parameters[f"gamma{index}"] + parameters[f"beta{index}"]
        X = torch.relu(X) if index < last else X
    chosen = y[:, None].expand(*X.shape[:-1], 1)
    return -torch.log_softmax(X, -1).gather(-1, chosen).sum() / X.shape[-2]


def scikit(X, y, hidden, *, n_threads=1, updates=20):
    """Return a function that does ``updates`` updates by MLPClassifier.partial_fit; it has no batch normalisation."""
    model = MLPClassifier(hidden, solver="sgd", alpha=2 * L2 * BATCH, batch_size=BATCH, learning_rate_init=ETA)
    model.set_params(momentum=0, nesterovs_momentum=False)
    X, y, start, classes = X.numpy(), y.numpy(), 0, np.arange(10)

    def update():
        nonlocal start
        some = slice(start, start + updates * BATCH)
        start = (start + updates * BATCH) % (len(X) - updates * BATCH)
        with threadpool_limits(n_threads):
            model.partial_fit(X[some], y[some], classes=classes)

    return update


@torch.no_grad()
def evaluate(model, X, y, chunk=1000):
    """Return mean loss and accuracy."""
    model.eval()
    loss = hits = 0.0
    for start in range(0, len(X), chunk):
        S = model(X[start : start + chunk])
        loss += F.cross_entropy(S, y[start : start + chunk], reduction="sum").item()
        hits += (S.argmax(-1) == y[start : start + chunk]).sum().item()
    model.train()
    return loss / len(X), hits / len(X)
