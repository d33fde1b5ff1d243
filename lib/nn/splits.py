"""Training, validation and test images, normalised one minibatch at a time as they are needed."""

from collections import namedtuple
from types import SimpleNamespace

import numpy as np

SPLITS = ("B1B2", "45k5k_tail", "45k5k_random", "49k1k", "49k1k_file2", "50k")
NORMALISATIONS = ("zscore_train", "zscore_each", "zscore_perfile", "center_train", "center_scalar", "raw")
CHUNK = 256  # rows handled at once: 256 · 255² < 2²⁴, so float32 sums of squared pixels are exact

Split = namedtuple("Split", ("train", "validation", "test"))  # the three sets of a run, each ``Images``


class Images:
    """Some rows of a data set, normalised when a minibatch is taken: ``(pixels[rows] - shift) * scale``.

    rows (n,) int64 are rows of the data set, labels (n,) int64 their classes. shift and scale are in pixel units
    (0 to 255): scalars, (3072,), or (6, 3072) if each file has its own. Not for several threads: it has a buffer.
    """

    def __init__(self, dataset, rows, shift, scale):
        self.dataset, self.rows, self.shift, self.scale = dataset, rows, shift, scale
        self.labels, self._constants = dataset.labels[rows].astype(np.int64), {}
        self._pixels = np.asarray(dataset.pixels)  # slicing a plain array costs less than slicing a memmap
        self._buffer = np.empty((CHUNK, self._pixels.shape[1]), self._pixels.dtype)

    def __len__(self):
        return len(self.rows)

    def _gather(self, rows, out=None):
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and np.all(np.diff(rows) == 1):
            return self._pixels[rows[0] : rows[-1] + 1]  # neighbours in memory: no copy
        return np.take(self._pixels, rows, axis=0, out=out, mode="clip")  # "raise" would copy; all rows are valid

    def raw(self, indices):
        """Return the pixels (n, 3072) uint8 at indices (slice, integer or integers), for pictures."""
        return self._gather(np.atleast_1d(self.rows[indices]))

    def batch(self, indices, out=None, dtype=np.float32):
        """Return the normalised images at indices (slice or integers), (n, 3072), in out if it is given.

        The arithmetic is done in dtype, or in that of out, and a row has the same bits in every batch. Raises
        IndexError for indices outside the set and ValueError for an out of the wrong shape.
        """
        rows = np.atleast_1d(self.rows[indices])
        shape = len(rows), self._pixels.shape[1]
        if out is None:
            out = np.empty(shape, dtype)
        elif out.shape != shape:
            raise ValueError(f"out has shape {out.shape}, needed: {shape}")
        if out.dtype not in self._constants:
            self._constants[out.dtype] = [np.asarray(c, out.dtype) for c in (self.shift, self.scale)]
        shift, scale = self._constants[out.dtype]
        for start in range(0, len(rows), CHUNK):  # pieces that stay in the processor's cache
            some, x = rows[start : start + CHUNK], out[start : start + CHUNK]
            np.copyto(x, self._gather(some, self._buffer[: len(some)]))
            file = some // self.dataset.per_file if shift.ndim == 2 else ...
            np.subtract(x, shift[file], out=x)
            np.multiply(x, scale[file], out=x)
        return out

    def take(self, n):
        """Return the first n images, or all if there are fewer, normalised like these."""
        return Images(self.dataset, self.rows[:n], self.shift, self.scale)


class Arrays(Images):
    """Images of your own: X (n, d), used as it is, so normalise it first, and integer labels y (n,), from 0."""

    def __init__(self, X, y):
        X, y = np.asarray(X), np.asarray(y)
        if X.ndim != 2 or y.shape != X.shape[:1] or y.dtype.kind not in "iu" or (y < 0).any():
            raise ValueError(f"X must be (n, d) and y (n,) integers from 0, got {X.shape} and {y.shape} {y.dtype}")
        super().__init__(SimpleNamespace(pixels=X, labels=y), np.arange(len(X)), 0.0, 1.0)


def split(dataset, name="45k5k_tail", normalisation="zscore_train", n_train=None, rng=None, n_validation=None):
    """Divide a data set into training, validation and test images, and determine how they are normalised.

    Splits. ``B1B2``: the first file trains, the second validates. ``45k5k_tail``, ``49k1k``: the last 5 000 or 1 000
    training images validate. ``45k5k_random``: 5 000 images drawn by rng, a numpy Generator, validate.
    ``49k1k_file2``: the last 1 000 of file 2 validate, and the training files come in the order 1, 3, 4, 5, 2 (report
    001). ``50k``: all images train, and the last 5 000 of them also validate. The test file is always the test set.
    n_train keeps the first n training images and max(n // 2, 100) test images; n_validation keeps the first n
    validation images. If only n_train is given, n_validation is max(n_train // 4, 100).

    Normalisations of pixels in 0 to 1. ``zscore_train``: minus the mean, over the standard deviation (ddof 0) of each
    dimension over the training images kept. ``zscore_each``: the same, but each set with its own mean and deviation.
    ``zscore_perfile``: each file with its own, ddof 1 (report 000). ``center_train``: minus the mean of each dimension.
    ``center_scalar``: minus one mean of all. ``raw``: unchanged. A dimension that never varies is divided by 1.

    dataset: a data.Dataset, or anything with its ``pixels``, ``labels`` and ``per_file``. Raises ValueError for an
    unknown name or an impossible n_train.
    """
    for what, value, allowed in (("split", name, SPLITS), ("normalisation", normalisation, NORMALISATIONS)):
        if value not in allowed:
            raise ValueError(f"{what} = {value!r}, allowed: {', '.join(allowed)}")
    train, validation = _training_rows(name, dataset.per_file, rng)
    test = np.arange(5 * dataset.per_file, 6 * dataset.per_file)
    if n_train is not None:
        if not 1 <= n_train <= len(train):
            raise ValueError(f"n_train = {n_train}, allowed with split {name}: 1 to {len(train)}")
        train, test = train[:n_train], test[: max(n_train // 2, 100)]
        n_validation = n_validation or max(n_train // 4, 100)
    sets = train, validation[:n_validation], test
    if normalisation == "zscore_each":
        return Split(*(Images(dataset, rows, *_statistics(dataset, rows, "zscore_train")) for rows in sets))
    shift, scale = _statistics(dataset, train, normalisation)
    return Split(*(Images(dataset, rows, shift, scale) for rows in sets))


def _training_rows(name, per_file, rng):
    """Return the rows of the training and of the validation images of a split, in their order."""
    rows = np.arange(5 * per_file)
    if name == "B1B2":
        return rows[:per_file], rows[per_file : 2 * per_file]
    if name == "45k5k_random":
        if rng is None:
            raise ValueError("split '45k5k_random' needs rng, a numpy Generator")
        rows = rng.permutation(rows)
    if name == "49k1k_file2":
        rows = np.concatenate([rows[:per_file], rows[2 * per_file :], rows[per_file : 2 * per_file]])
    held_out = per_file // 10 if name.startswith("49k1k") else per_file // 2
    return (rows if name == "50k" else rows[:-held_out]), rows[-held_out:]


def _statistics(dataset, train, normalisation):
    """Return shift and scale in pixel units, float64, as ``split`` describes them."""
    if normalisation == "raw":
        return 0.0, 1 / 255
    if normalisation == "zscore_perfile":
        files = np.arange(6 * dataset.per_file).reshape(6, -1)
        means, deviations = np.stack([_mean_and_deviation(dataset, rows, ddof=1) for rows in files], axis=1)
        return means, 1 / deviations
    mean, deviation = _mean_and_deviation(dataset, train, ddof=0)
    if normalisation == "zscore_train":
        return mean, 1 / deviation
    return (mean if normalisation == "center_train" else mean.mean()), 1 / 255


def _mean_and_deviation(dataset, rows, ddof):
    """Return the mean and the standard deviation of each dimension, (3072,) float64, from exact sums."""
    images, n, sums, squares = Images(dataset, rows, 0.0, 1.0), len(rows), 0.0, 0.0
    for start in range(0, n, CHUNK):
        x = images.batch(slice(start, start + CHUNK))
        sums += x.sum(axis=0).astype(np.float64)
        squares += np.square(x, out=x).sum(axis=0).astype(np.float64)
    deviation = np.sqrt((n * squares - sums**2) / (n * max(n - ddof, 1)))
    return sums / n, np.where(deviation == 0, 255, deviation)  # 255 is 1 for pixels in 0 to 1
