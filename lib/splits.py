"""Training, validation and test images of an experiment, normalised batch by batch when they are wanted."""

import functools
from dataclasses import dataclass

import numpy as np

from lib.data import PIXELS, check_choice

SPLITS = ("B1B2", "45k5k_tail", "45k5k_random", "49k1k", "49k1k_file2", "50k")
NORMALISATIONS = ("zscore_train", "zscore_perfile", "center_train", "center_scalar", "raw")
CHUNK = 256  # rows handled at once: 256 · 255² < 2²⁴, so float32 sums of squared pixels are exact


class Images:
    """Some rows of a data set, normalised when they are asked for: `(pixels[rows] - shift) * scale`.

    `rows` (n,) int64 are rows of the data set, `labels` (n,) int64 their classes. `shift` and `scale` are in
    pixel units (0 to 255): scalars, (3072,), or (6, 3072) where each file has its own. An object keeps a
    buffer, so threads must not share one.
    """

    def __init__(self, dataset, rows, shift, scale):
        self.dataset, self.rows, self.shift, self.scale = dataset, rows, shift, scale
        self.labels = dataset.labels[rows].astype(np.int64)
        self._pixels = np.asarray(dataset.pixels)  # slicing a plain array costs less than a memmap
        self._constants = {}

    def __len__(self):
        return len(self.rows)

    @functools.cached_property
    def _buffer(self):
        return np.empty((CHUNK, PIXELS), np.uint8)

    def _gather(self, rows, out=None):
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and np.all(np.diff(rows) == 1):
            return self._pixels[rows[0] : rows[-1] + 1]  # they lie side by side: no copy
        # Rows are valid; "clip" is the mode that writes into out without a copy.
        return np.take(self._pixels, rows, axis=0, out=out, mode="clip")

    def raw(self, indices):
        """Return the pixels (n, 3072) uint8 at `indices` (slice, integer or integers), for pictures."""
        return self._gather(np.atleast_1d(self.rows[indices]))

    def batch(self, indices, out=None, dtype=np.float32):
        """Return the normalised images at `indices` (slice or integers), (n, 3072), in `out` if given.

        The arithmetic is done in `dtype`, or that of `out`. A row has the same bits in every batch. Raises
        IndexError for indices outside the set and ValueError for an `out` of another shape.
        """
        rows = np.atleast_1d(self.rows[indices])
        if out is None:
            out = np.empty((len(rows), PIXELS), dtype)
        elif out.shape != (len(rows), PIXELS):
            raise ValueError(f"out has shape {out.shape}, needed: {(len(rows), PIXELS)}")
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
        """Return the first `n` images (all where there are fewer), normalised as these."""
        return Images(self.dataset, self.rows[:n], self.shift, self.scale)


@dataclass(frozen=True, eq=False)
class Split:
    """The three sets of an experiment, all normalised with the statistics that `split` was told to use."""

    train: Images
    validation: Images
    test: Images


def split(dataset, name="45k5k_tail", normalisation="zscore_train", n_train=None, rng=None, n_validation=None):
    """Divide a data set into training, validation and test images and settle how they are normalised.

    Splits: `B1B2` (file 1, file 2); `45k5k_tail` and `49k1k` (the last 5 000 or 1 000 training images
    validate); `45k5k_random` (5 000 drawn with `rng`, a np.random.Generator, validate); `49k1k_file2` (the last 1 000
    of file 2 validate; training rows in the order of files 1, 3, 4, 5, 2, as report 001 did); `50k` (trains on
    everything; the last 5 000, which it has seen, validate). The test file is always the test set. `n_train` keeps
    the first n training images and shrinks the test set to max(n // 2, 100); `n_validation` keeps the first n
    validation images, by default max(n_train // 4, 100) where n_train is given.

    Normalisations of pixels in 0 to 1: `zscore_train` (mean and standard deviation, ddof 0, of each dimension
    over the training images kept); `zscore_perfile` (every file with its own, ddof 1, the test file too, as
    report 000 did); `center_train` (mean of each dimension); `center_scalar` (one mean of all); `raw`
    (neither). A dimension that never varies is centred and divided by 1. Raises ValueError for names and
    numbers that cannot be.
    """
    check_choice("split", name, SPLITS)
    check_choice("normalisation", normalisation, NORMALISATIONS)
    per_file = dataset.per_file
    rows = np.arange(5 * per_file)
    if name == "45k5k_random":
        if rng is None:
            raise ValueError("split '45k5k_random' needs rng, a np.random.Generator")
        rows = rng.permutation(rows)
    if name == "49k1k_file2":
        rows = np.concatenate([rows[:per_file], rows[2 * per_file :], rows[per_file : 2 * per_file]])
    held_out = per_file // 10 if name.startswith("49k1k") else per_file // 2
    train, validation = rows[:-held_out], rows[-held_out:]
    if name == "B1B2":
        train, validation = rows[:per_file], rows[per_file : 2 * per_file]
    elif name == "50k":
        train = rows
    test = np.arange(5 * per_file, 6 * per_file)
    if n_train is not None:
        if not 1 <= n_train <= len(train):
            raise ValueError(f"n_train = {n_train}, allowed with split {name}: 1 to {len(train)}")
        train, test = train[:n_train], test[: max(n_train // 2, 100)]
        n_validation = n_validation or max(n_train // 4, 100)
    validation = validation[:n_validation]
    shift, scale = _statistics(dataset, train, normalisation)
    return Split(*(Images(dataset, some, shift, scale) for some in (train, validation, test)))


def _statistics(dataset, train, normalisation):
    """The shift and scale, in pixel units and float64, that `split` describes."""
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
    """Mean and standard deviation of each dimension, (3072,) float64, from sums that are exact."""
    images, n, sums, squares = Images(dataset, rows, 0.0, 1.0), len(rows), 0.0, 0.0
    for start in range(0, n, CHUNK):
        x = images.batch(slice(start, start + CHUNK))
        sums += x.sum(axis=0).astype(np.float64)
        squares += np.square(x, out=x).sum(axis=0).astype(np.float64)
    deviation = np.sqrt((n * squares - sums**2) / (n * max(n - ddof, 1)))
    return sums / n, np.where(deviation == 0, 255, deviation)  # 255 is 1 for pixels in 0 to 1
