"""Mini-batch training of one network or of T at once, and what is logged meanwhile."""

from dataclasses import dataclass, field

import numpy as np

from lib.augment import augment
from lib.layers import affine_forward
from lib.losses import LOSSES, l2_penalty
from lib.optimizers import pairs, per_trial

CHUNK = 500  # images evaluated at a time: few enough to stay in the processor's cache


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


def evaluate(network, images, l2, *, loss="softmax", statistics="average"):
    """Return {"loss", "cost" (nats), "accuracy" (fraction)} over all images, each scalar or (T,), float64.

    images: a splits.Images. loss: a name in losses.LOSSES. statistics: what batch normalisation uses, "average" for
    the running averages, "set" for the mean and variance of the very images being evaluated (report 002's way).
    """
    if statistics == "set":
        first = network.layers[0]
        parts = [affine_forward(images.batch(chunk), first["W"], first["b"])[0] for chunk in _chunks(len(images))]
        scores = [network.forward_hidden(np.concatenate(parts, axis=-2), training=True)[0]]
        labels = [images.labels]
    else:
        scores = (network.forward(images.batch(chunk), training=False)[0] for chunk in _chunks(len(images)))
        labels = (images.labels[chunk] for chunk in _chunks(len(images)))
    total = hits = 0
    for S, y in zip(scores, labels, strict=True):
        total = total + len(y) * np.float64(LOSSES[loss][0](S, y)[0])
        hits = hits + np.sum(np.argmax(S, axis=-1) == y, axis=-1)
    mean = total / len(images)
    return {"loss": mean, "cost": mean + l2_penalty(network.weights, l2), "accuracy": hits / len(images)}


def _chunks(n):
    return [slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]


def batches(n, batch_size, rng=None, skip=0):
    """Yield index arrays (batch_size,) without end, an incomplete batch at the end of an epoch left out.

    The n images are reshuffled every epoch by rng, or come in their order where rng is None. ``skip`` images are
    passed over at the start of every epoch. Raises ValueError where an epoch has less than one batch.
    """
    if n - skip < batch_size:
        raise ValueError(f"batch_size must be at most the {n - skip} training images of an epoch, got {batch_size}")
    while True:
        order = np.arange(n) if rng is None else rng.permutation(n)
        for start in range(skip, n - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def gradients(network, X, y, *, loss="softmax", rng=None):
    """Return the gradients of the loss on one mini-batch, and the cache of its forward pass.

    X (n, d); y (n,); rng draws dropout. The gradients are in the shape of ``network.layers``; the penalty's are added
    by the optimizer.
    """
    forward, backward = LOSSES[loss]
    scores, cache = network.forward(X, training=True, rng=rng)
    return network.backward(backward(1.0, forward(scores, y)[1]), cache), cache


class Best:
    """The state of each trial at the log point where its validation accuracy was highest."""

    def __init__(self):
        self.accuracy, self.state = None, None

    def update(self, network, accuracy):
        """Take over the trials whose accuracy, scalar or (T,), is above their best so far."""
        now = network.state()
        if self.state is None:
            self.accuracy, self.state = accuracy, now
            return
        better = accuracy > self.accuracy
        for name, parts in self.state.items():
            for kept, new in pairs(parts, now[name]):
                np.copyto(kept, new, where=per_trial(better, kept, dtype=bool))
        self.accuracy = np.maximum(accuracy, self.accuracy)


def fit(
    network,
    optimizer,
    train,
    validation,
    *,
    etas,
    l2,
    order,
    log_every,
    sample=5_000,
    loss="softmax",
    statistics="average",
    recipe=(),
    rng=None,
    keep_best=False,
    history=None,
    progress=lambda updates: None,
):
    """Train ``network`` in place for ``len(etas)`` updates and return its History.

    train, validation: splits.Images. etas (updates,) or (updates, T) learning rates; l2 scalar or (T,). order: the
    ``batches``, the same for all trials. Logged before the first update, every ``log_every`` updates and after the
    last, on the first ``sample`` training images and all validation images; ``loss``, ``statistics``: see ``evaluate``.
    recipe: see augment.augment; rng draws augmentation and dropout. ``keep_best`` leaves each trial in its state of
    the highest logged validation accuracy. ``history``: of the training that this call goes on with.
    ``progress(updates)`` is called at each log point with the updates done since the one before.
    A trial that diverges to NaN goes on alone; the others are untouched, and no warning is raised.
    """
    history, best, sample = history or History(), Best(), train.take(min(sample, len(train)))
    done, W = (history.update or [0])[-1], network.layers[0]["W"]
    X = None

    def log(update):
        how = statistics if update else "set"  # before the first update there is no average yet
        scores = [evaluate(network, images, l2, loss=loss, statistics=how) for images in (sample, validation)]
        history.log(done + update, etas[min(update, len(etas) - 1)], train=scores[0], validation=scores[1])
        if keep_best and update:
            best.update(network, scores[1]["accuracy"])

    with np.errstate(all="ignore"):
        if not history.update:
            log(0)
        for update, (eta, indices) in enumerate(zip(etas, order, strict=False), start=1):
            X = train.batch(indices, out=X, dtype=W.dtype)  # the first makes the buffer that all others use
            grads, cache = gradients(network, augment(X, recipe, rng), train.labels[indices], loss=loss, rng=rng)
            network.update_averages(cache)
            optimizer.step(network.layers, grads, eta, l2)
            if update % log_every == 0 or update == len(etas):
                log(update)
                progress(done + update - history.update[-2])
    if keep_best:
        network.load_state(best.state)
    return history
