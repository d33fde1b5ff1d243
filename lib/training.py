"""Mini-batch training of one network or of T at once, and what is logged meanwhile."""

from dataclasses import dataclass, field

import numpy as np

from lib.layers import affine_forward
from lib.losses import l2_gradient, l2_penalty, softmax_cross_entropy_backward, softmax_cross_entropy_forward

CHUNK = 1000  # images evaluated at a time: few enough to stay in the processor's cache


@dataclass
class History:
    """What was seen while training, L log points by T trials (or L alone for a network without trial axis).

    ``update`` (L,) updates done; ``eta`` (L, ...) the rate of the next update; ``train`` and ``validation``: for each
    of "loss" (nats), "cost" (nats) and "accuracy" (fraction) a list of L arrays (T,) or scalars.
    """

    update: list = field(default_factory=list)
    eta: list = field(default_factory=list)
    train: dict = field(default_factory=lambda: {"loss": [], "cost": [], "accuracy": []})
    validation: dict = field(default_factory=lambda: {"loss": [], "cost": [], "accuracy": []})

    def log(self, update, eta, **scores):
        """Append one log point; scores: train and validation as ``evaluate`` returns them."""
        self.update.append(update)
        self.eta.append(eta)
        for name, values in scores.items():
            for quantity, value in values.items():
                getattr(self, name)[quantity].append(value)

    @property
    def diverged(self):
        """Whether a trial's training cost was ever not a finite number: bool, scalar or (T,)."""
        return ~np.isfinite(self.train["cost"]).all(axis=0)


def evaluate(network, images, l2, *, statistics="average"):
    """Return {"loss", "cost" (nats), "accuracy" (fraction)} over all images, each scalar or (T,), float64.

    images: a splits.Images. statistics: what batch normalisation uses, "average" for the running averages, "set" for
    the mean and variance of the very images being evaluated (report 002's way).
    """
    if statistics == "set":
        first = network.layers[0]
        parts = [affine_forward(images.batch(chunk), first["W"], first["b"])[0] for chunk in _chunks(len(images))]
        scores = [network.forward_hidden(np.concatenate(parts, axis=-2), training=True)[0]]
        labels = [images.labels]
    else:
        scores = (network.forward(images.batch(chunk), training=False)[0] for chunk in _chunks(len(images)))
        labels = (images.labels[chunk] for chunk in _chunks(len(images)))
    loss = hits = 0
    for S, y in zip(scores, labels, strict=True):
        loss = loss + len(y) * np.float64(softmax_cross_entropy_forward(S, y)[0])
        hits = hits + np.sum(np.argmax(S, axis=-1) == y, axis=-1)
    loss = loss / len(images)
    return {"loss": loss, "cost": loss + l2_penalty(network.weights, l2), "accuracy": hits / len(images)}


def _chunks(n):
    return [slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]


def batches(n, batch_size, updates, rng):
    """Yield ``updates`` index arrays (batch_size,): the n images reshuffled every epoch, an incomplete batch left out."""
    per_epoch = n // batch_size
    for update in range(updates):
        if update % per_epoch == 0:
            order = rng.permutation(n)
        start = update % per_epoch * batch_size
        yield order[start : start + batch_size]


def gradients(network, X, y, l2):
    """Return the gradients of the cost J on one mini-batch, and the cache of its forward pass.

    X (n, d); y (n,); l2 scalar or (T,). The gradients are in the shape of ``network.layers``.
    """
    scores, cache = network.forward(X, training=True)
    _, loss_cache = softmax_cross_entropy_forward(scores, y)
    grads = network.backward(softmax_cross_entropy_backward(1.0, loss_cache), cache)
    for layer, grad in zip(network.layers, grads, strict=True):
        grad["W"] += l2_gradient(layer["W"], l2)
    return grads, cache


def fit(
    network,
    optimizer,
    train,
    validation,
    *,
    etas,
    batch_size,
    l2,
    rng,
    log_every,
    sample,
    statistics,
    progress,
):
    """Train ``network`` in place for ``len(etas)`` updates and return its History.

    train, validation: splits.Images. etas (updates,) or (updates, T) learning rates; l2 scalar or (T,). All trials see
    the same mini-batches in the same order, drawn by rng. Logged before the first update, every ``log_every`` updates
    and after the last, on the first ``sample`` training images and all validation images; ``statistics``: see
    ``evaluate``. ``progress(updates)`` is called at each log point with the updates done since the one before.
    A trial that diverges to NaN goes on alone; the others are untouched, and no warning is raised.
    """
    history, updates, sample = History(), len(etas), train.take(min(sample, len(train)))
    W = network.layers[0]["W"]
    X = np.empty((batch_size, W.shape[-2]), W.dtype)

    def log(update):
        how = statistics if update else "set"  # before the first update there is no average yet
        history.log(
            update,
            etas[min(update, updates - 1)],
            train=evaluate(network, sample, l2, statistics=how),
            validation=evaluate(network, validation, l2, statistics=how),
        )

    with np.errstate(all="ignore"):
        log(0)
        for update, indices in enumerate(batches(len(train), batch_size, updates, rng)):
            train.batch(indices, out=X)
            grads, cache = gradients(network, X, train.labels[indices], l2)
            network.update_averages(cache)
            optimizer.step(network.layers, grads, etas[update])
            if (update + 1) % log_every == 0 or update + 1 == updates:
                log(update + 1)
                progress(update + 1 - history.update[-2])
    return history
