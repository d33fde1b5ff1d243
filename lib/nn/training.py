"""Training on minibatches, of one network or of T at once: the loop, its log, evaluation."""

import numpy as np

from lib.nn.augmentation import augment
from lib.nn.layers import affine_forward
from lib.nn.losses import LOSSES, l2_penalty
from lib.nn.optimizers import per_trial

CHUNK = 500  # images evaluated at a time, few enough to stay in the processor's cache


def batches(n, batch_size, rng=None, skip=0):
    """Yield the indices (batch_size,) of one minibatch after another, without end.

    rng, a numpy Generator, reshuffles the n images in every epoch; without it they keep their order. An epoch leaves
    out its first ``skip`` images and an incomplete minibatch at its end. Raises ValueError if nothing else is left.
    """
    if n - skip < batch_size:
        raise ValueError(f"batch_size must be at most the {n - skip} training images of an epoch, got {batch_size}")
    while True:
        order = np.arange(n) if rng is None else rng.permutation(n)
        for start in range(skip, n - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def gradients(network, X, y, *, loss="softmax", rng=None):
    """Return the gradients of the loss on one minibatch, in the shape of ``network.layers``, and the forward's cache.

    X (n, d); y (n,); rng draws the masks of dropout. The penalty is not included: the optimizer adds its gradient.
    """
    loss_forward, loss_backward = LOSSES[loss]
    scores, cache = network.forward(X, training=True, rng=rng)
    _, loss_cache = loss_forward(scores, y)
    return network.backward(loss_backward(1.0, loss_cache), cache), cache


def fit(network, optimizer, train, *, etas, l2, order, loss="softmax", recipe=(), rng=None, frozen=(), logger=None):
    """Train ``network`` in place, with one update for each learning rate in ``etas``.

    train: splits.Images or splits.Arrays. etas (updates,) or (updates, T); l2 scalar or (T,). order: minibatches as
    from ``batches``, the same for all trials. recipe: see augmentation.augment. rng: draws augmentation and dropout.
    frozen: names of parameters that are not updated, "W" or "b". logger: a ``Logger``, called after every update.
    A trial that diverges to NaN does not affect the others, and NumPy's warnings are silenced.
    """
    X, dtype = None, network.weights[0].dtype
    with np.errstate(all="ignore"):
        if logger:
            logger.begin(network, l2, etas)
        for update, (eta, indices) in enumerate(zip(etas, order, strict=False), start=1):
            X = train.batch(indices, out=X, dtype=dtype)  # the first minibatch makes the buffer for all others
            grads, cache = gradients(network, augment(X, recipe, rng), train.labels[indices], loss=loss, rng=rng)
            for layer in grads:
                for name in frozen:
                    layer[name][...] = 0
            network.update_averages(cache)
            optimizer.step(network.layers, grads, eta, l2)
            if logger:
                logger.after(update, network, l2, etas)


def evaluate(network, images, l2, *, loss="softmax", statistics="average"):
    """Return {"loss", "cost" (nats), "accuracy" (fraction)} over all images, each scalar or (T,), float64.

    images: splits.Images or splits.Arrays. statistics: what batch normalisation uses, "average" for the running
    averages, "set" for the mean and variance of the very images that are evaluated.
    """
    chunks = [slice(start, start + CHUNK) for start in range(0, len(images), CHUNK)]
    if statistics == "set":
        first = network.layers[0]
        parts = [affine_forward(images.batch(chunk), first["W"], first["b"])[0] for chunk in chunks]
        scores = [network.forward_hidden(np.concatenate(parts, axis=-2), "batch")[0]]
        chunks = [slice(None)]
    else:
        scores = (network.forward(images.batch(chunk), training=False)[0] for chunk in chunks)
    total = hits = 0
    for S, chunk in zip(scores, chunks, strict=True):
        y = images.labels[chunk]
        total = total + len(y) * np.float64(LOSSES[loss][0](S, y)[0])
        hits = hits + np.sum(np.argmax(S, axis=-1) == y, axis=-1)
    mean = total / len(images)
    return {"loss": mean, "cost": mean + l2_penalty(network.weights, l2), "accuracy": hits / len(images)}


class Logger:
    """Evaluates a network while ``fit`` trains it, and keeps the curves.

    train, validation: images to evaluate on. every: updates between log points; the untrained and the final network are
    logged too. keep_best: keep each trial's state at its log point of highest validation accuracy, as ``best[1]``, for
    ``Network.load_state``. progress: called at every log point with the number of updates since the last one. scoring:
    loss and statistics, see ``evaluate``; the untrained network, without running averages, always uses "set".

    ``curves`` holds lists with one entry for each log point: "update", "eta", and, each with the prefix "train_" and
    "validation_", "loss" (nats), "cost" (nats) and "accuracy" (fraction), scalars or arrays (T,).
    """

    def __init__(self, train, validation, every, *, keep_best=False, progress=None, **scoring):
        self.sets, self.every, self.keep_best, self.progress = (train, validation), every, keep_best, progress
        self.scoring, self.curves, self.done, self.best = scoring, {"update": [], "eta": []}, 0, None

    def begin(self, network, l2, etas):
        """Log the network before its first update, unless this training continues one that was logged here."""
        self.done, self.best = (self.curves["update"] or [0])[-1], None
        if not self.curves["update"]:
            self._log(network, l2, etas, 0, **self.scoring | {"statistics": "set"})

    def after(self, update, network, l2, etas):
        """Log the network after an update, if it is time."""
        if update % self.every == 0 or update == len(etas):
            self._log(network, l2, etas, update, **self.scoring)
            if self.keep_best:
                self._keep_best(network.state(), self.curves["validation_accuracy"][-1])
            if self.progress:
                self.progress(self.curves["update"][-1] - self.curves["update"][-2])

    def _log(self, network, l2, etas, update, **scoring):
        self.curves["update"].append(self.done + update)
        self.curves["eta"].append(etas[min(update, len(etas) - 1)])
        for name, images in zip(("train", "validation"), self.sets, strict=True):
            for quantity, value in evaluate(network, images, l2, **scoring).items():
                self.curves.setdefault(f"{name}_{quantity}", []).append(value)

    def _keep_best(self, state, accuracy):
        """Take over the state of the trials whose accuracy, scalar or (T,), is above their best so far."""
        if self.best is None:
            self.best = accuracy, state
            return
        highest, kept = self.best
        for old, new in zip([*kept["layers"], *kept["averages"]], [*state["layers"], *state["averages"]], strict=True):
            for name, array in old.items():
                np.copyto(array, new[name], where=per_trial(accuracy > highest, array, dtype=bool))
        self.best = np.maximum(accuracy, highest), kept
