"""Our side: training steps as training.fit does them, and the matrix products in them."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np

from lib.nn.network import create, stack
from lib.nn.optimizers import SGD
from lib.nn.splits import Images
from lib.nn.training import batches, gradients
from workbook.runs.experiment import NINE_LAYERS

ETA, L2, BATCH = 0.01, 0.005, 100
HIDDEN = {1: (), 3: (50, 50), 9: NINE_LAYERS}


def random_images(n=45_000):
    """Return a splits.Images of n random pictures: the arithmetic takes as long as with real ones."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
    dataset = SimpleNamespace(pixels=pixels, labels=rng.integers(0, 10, n, dtype=np.uint8), per_file=10_000)
    return Images(dataset, np.arange(n), np.full(3072, 127.5), np.full(3072, 1 / 73.9))


def network(hidden, batch_norm, trials=1):
    """Return one network of several trials with different initial weights."""
    widths = 3072, *hidden, 10
    return stack([create(widths, "he", np.random.default_rng(t), batch_norm=batch_norm) for t in range(trials)])


def step(images, hidden, batch_norm, trials=1, batch_size=BATCH):
    """Return a function that does one update: gather and normalise, gradients, running averages, optimizer."""
    net, optimizer, X = network(hidden, batch_norm, trials), SGD(), None
    eta, l2 = np.full(trials, ETA), np.full(trials, L2)
    order = batches(len(images), batch_size, np.random.default_rng(1))

    def update():
        nonlocal X
        indices = next(order)
        X = images.batch(indices, out=X)
        grads, cache = gradients(net, X, images.labels[indices])
        net.update_averages(cache)
        optimizer.step(net.layers, grads, eta, l2)

    return update


def products(hidden, trials):
    """Return {product: (its functions, FLOP)}: for each matrix product of a step, several ways to do it.

    The ways are a stacked product, one product at a time, and, if all trials share X, all right factors side by side;
    with the factors as they lie in memory or copied. The results go into arrays that exist already.
    """
    rng, found = np.random.default_rng(0), {}
    for index, (d_in, d_out) in enumerate(pairwise((3072, *hidden, 10))):
        X, G = (rng.standard_normal((trials, BATCH, d), dtype=np.float32) for d in (d_in, d_out))
        X = X if index else X[0]
        W = rng.standard_normal((trials, d_in, d_out), dtype=np.float32)
        flop = 2 * trials * BATCH * d_in * d_out
        found[f"forward {index + 1}"] = _ways(X, W), flop
        found[f"weights {index + 1}"] = _ways(X.swapaxes(-1, -2), G), flop
        if index:
            found[f"inputs {index + 1}"] = _ways(G, W.swapaxes(-1, -2)), flop
    return found


def _ways(A, B):
    out = np.matmul(A, B)
    left, right = np.ascontiguousarray(A), np.ascontiguousarray(B)
    pairs = [(A[t] if A.ndim == 3 else A, B[t], out[t]) for t in range(len(B))]
    ways = {
        "stacked": lambda: np.matmul(A, B, out=out),
        "stacked, both contiguous": lambda: np.matmul(left, right, out=out),
        "one by one": lambda: [np.matmul(a, b, out=c) for a, b, c in pairs],
    }
    if A.ndim == 2:
        wide = np.concatenate(B, axis=-1)
        result = A @ wide
        ways["side by side"] = lambda: np.matmul(A, wide, out=result)
    return ways
