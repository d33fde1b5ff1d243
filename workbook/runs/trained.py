"""The network of a finished run: what it predicts, and which images it gets wrong."""

import io
from unittest.mock import patch

import numpy as np

from lib import data
from lib.nn import passes
from lib.nn.network import stack
from lib.nn.splits import Images, split
from workbook.runs import store
from workbook.runs.cost import flop
from workbook.runs.progress import Progress

CHUNK = 500  # images


class TrainedNetwork:
    """A trained network with its images.

    network: lib.nn.network.Network, without a trial axis. images: its training, validation and test images, a
    lib.nn.splits.Split. experiment: as it was trained.
    """

    def __init__(self, experiment, network):
        self.experiment, self.network = experiment, network
        rng = np.random.default_rng(np.random.SeedSequence(experiment.order_seed).spawn(3)[0])  # as passes.train
        how = experiment.split, experiment.normalisation, experiment.n_train, rng, experiment.n_validation
        self.images = split(data.load(experiment.data), *how)

    def scores(self, X):
        """Return the scores (n, 10) float32 of n images.

        X: lib.nn.splits.Images, such as ``images.test``; pixels as uint8, (n, 3072) in CIFAR's order or (n, 32, 32, 3)
        as a PNG has them, which are normalised like the training images; or any other numbers (n, 3072), which are
        taken as normalised already. Batch normalisation uses the running averages. Raises ValueError for other shapes.
        """
        if not isinstance(X, Images):
            X = self._normalised(np.asarray(X))
            return self.network.forward(X, training=False)[0]
        chunks = (X.batch(slice(start, start + CHUNK)) for start in range(0, len(X), CHUNK))
        return np.concatenate([self.network.forward(chunk, training=False)[0] for chunk in chunks])

    def probabilities(self, X):
        """Return the softmax of the scores, (n, 10): how sure the network is of each class. X as for ``scores``."""
        S = self.scores(X)
        E = np.exp(S - S.max(axis=1, keepdims=True))
        return E / E.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Return the predicted classes (n,) int64, indices of lib.data.CLASSES. X as for ``scores``."""
        return self.scores(X).argmax(axis=1)

    def wrong(self, images):
        """Return the indices (m,) of the Images that are classified wrongly, those of the surest mistakes first."""
        P = self.probabilities(images)
        mistakes = np.flatnonzero(P.argmax(axis=1) != images.labels)
        return mistakes[np.argsort(-P[mistakes].max(axis=1), kind="stable")]

    def _normalised(self, X):
        if X.dtype == np.uint8 and X.shape[-3:] == (32, 32, 3):
            X = np.moveaxis(X, -1, -3).reshape(*X.shape[:-3], data.PIXELS)
        X = np.atleast_2d(X)
        if X.ndim != 2 or X.shape[1] != data.PIXELS or X.dtype.kind not in "fiu":
            wanted = "(n, 3072), or as uint8 pixels also (n, 32, 32, 3)"
            raise ValueError(f"X must have the shape {wanted}, and it has {X.shape}, {X.dtype}")
        if X.dtype != np.uint8:
            return X.astype(np.float32)
        shift, scale = self.images.train.shift, self.images.train.scale
        if np.ndim(shift) == 2:
            raise ValueError(f"{self.experiment.normalisation} normalises each file of its own: give images.test.batch")
        return ((X - shift) * scale).astype(np.float32)


def network_of(result):
    """Return the TrainedNetwork of a Result: see ``engine.Result.network``."""
    path = store.RESULTS / f"{result.key}.npz"
    network = _read(path, result.experiment) if result.experiment.keep_weights else None
    if network is None:
        network, record = train_again(result.experiment)
        if not (_same(record["scores"], result.scores) and _same(record["curves"], result.curves)):
            machine = f"{result.run['machine']}, NumPy {result.run['numpy']}"
            print(
                f"Trained again, this network's numbers differ in their last digits from the stored ones ({machine})."
            )
        if result.experiment.keep_weights:
            store.write(path, _packed(network))
    return TrainedNetwork(result.experiment, network)


def train_again(experiment):
    """Return the Network of a run, without a trial axis, and its record, as ``lib.nn.passes.train`` makes both.

    ``train`` hands out the record alone, and a change of lib.nn would make all stored results stale. So the network is
    caught where ``train`` puts it together.
    """
    caught, done, whole = [], 0, flop(experiment)

    def catch(networks):
        caught.append(stack(networks))
        return caught[0]

    with Progress(1, "network") as shown, patch.object(passes, "stack", catch):

        def report(updates):
            nonlocal done
            done += updates / experiment.total_updates
            shown.partly("this", done)
            shown.say("trains it again", whole * (1 - done))

        shown.say("trains it again", whole)
        [record] = passes.train([experiment], data.load(experiment.data), report)
    [network] = caught
    first = [[{name: array[0] for name, array in part.items()} for part in parts] for parts in network.state().values()]
    network.load_state(dict(zip(network.state(), first, strict=True)))
    return network, record


def _same(one, other):
    """Return whether two dicts hold the same numbers to the last bit; NaN and infinity are stored as one."""
    rows = ([np.nan_to_num(value, nan=-1, posinf=-1, neginf=-1) for value in each.values()] for each in (one, other))
    return one.keys() == other.keys() and all(np.array_equal(a, b) for a, b in zip(*rows, strict=True))


def _packed(network):
    """Return the parameters and running averages of a network as the bytes of an npz file."""
    arrays = {
        f"{part} {index} {name}": array
        for part, dicts in network.state().items() for index, each in enumerate(dicts) for name, array in each.items()
    }  # fmt: skip
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _read(path, experiment):
    """Return the Network in an npz file; None where there is none that can be read."""
    network = passes.initial_network(experiment)
    state = {"layers": [{} for _ in network.layers], "averages": [{} for _ in network.averages]}
    try:
        with np.load(path) as file:
            for key in file.files:
                part, index, name = key.split()
                state[part][int(index)][name] = file[key]
    except (OSError, ValueError, LookupError):
        return None
    network.load_state(state)
    return network
