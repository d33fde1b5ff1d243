"""How much arithmetic runs take, in floating point operations, beside what this machine could do in the same time."""

import ctypes
import math
import time
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from lib import data
from lib.choices import shown
from lib.nn.splits import split
from workbook.runs.cluster import ClusterError
from workbook.runs.experiment import make

PIXELS, CLASSES = data.PIXELS, len(data.CLASSES)


def flop(experiment):
    """Return the floating point operations of a run, training and evaluation: 2 for each multiply-add of a product.

    A layer takes one product forward and two backward; the first takes only one backward, as nobody needs the gradient
    at the pixels. Log points score the sample and the validation images, the final scores are taken on all images. What
    is not a matrix product, such as batch normalisation, is left out.
    """
    train, validation, test = sizes(experiment)
    stages = max(1, len(experiment.odd.stages))
    log_points = 1 + stages * math.ceil(experiment.total_updates / stages / experiment.log_every)
    evaluated = log_points * (min(experiment.sample, train) + validation) + train + validation
    if experiment.test:
        evaluated += test
    forward = 2 * weights(experiment)
    update = 3 * forward - 2 * PIXELS * (*experiment.hidden, CLASSES)[0]
    return float(experiment.total_updates * experiment.batch_size * update + evaluated * forward)


def weights(experiment):
    """Return the number of weights of a run's network."""
    return sum(inputs * units for inputs, units in pairwise((PIXELS, *experiment.hidden, CLASSES)))


def sizes(experiment):
    """Return the numbers of a run's training, validation and test images."""
    return _sizes(data.load(experiment.data), experiment.split, experiment.n_train, experiment.n_validation)


@cache
def _sizes(dataset, split_name, n_train, n_validation):
    parts = split(dataset, split_name, "raw", n_train, np.random.default_rng(0), n_validation)
    return len(parts.train), len(parts.validation), len(parts.test)


def total(records):
    """Return the floating point operations of all records, as ``store.current`` returns them."""
    return sum(flop(make(record["run"]["experiment"])) for record in records)


def share(records, wall_seconds, cores, rate):
    """Return the records' part, 0 to 1, of what cores of a rate in GFLOP/s could have computed in wall_seconds."""
    return total(records) / (wall_seconds * cores * rate * 1e9)


def product_rate(seconds=0.5, n=1500):
    """Return the GFLOP/s of a large float32 product on one core, the best in ``seconds``."""
    A = np.random.default_rng(0).standard_normal((n, n), np.float32)
    out, best, end = np.empty_like(A), math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        np.matmul(A, A, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best / 1e9


def memory(experiment):
    """Return about how many bytes a run needs at least."""
    train, validation, _ = sizes(experiment)
    units = sum(experiment.hidden) + CLASSES
    parameters = 24 * weights(experiment)  # with gradients, the optimizer's memory, and what an update needs meanwhile
    at_once = max(min(experiment.sample, train), validation)  # the untrained network is evaluated on all of them
    batch = experiment.batch_size * 8 * (PIXELS + units)
    return parameters + 8 * at_once * units + batch + 24 * experiment.total_updates


def check_memory(experiment):
    """Raise ClusterError, with both figures, if a run needs more memory than this machine has."""
    needed = memory(experiment)
    if needed < 1e9:
        return
    from distributed.system import MEMORY_LIMIT  # a container's, too; importing it takes a second

    if needed > MEMORY_LIMIT:
        figures = f"about {needed / 1e9:.0f} GB of memory, and this machine has {MEMORY_LIMIT / 1e9:.0f} GB"
        what = f"hidden = {shown(experiment.hidden)} and batch_size = {experiment.batch_size}"
        raise ClusterError(f"{what} need {figures}: choose smaller ones")


@cache
def kernel():
    """Return the name of the kernel that OpenBLAS multiplies with, such as "SkylakeX"; "unknown" for another BLAS.

    Two kernels may round differently. The library is the one inside NumPy's wheel.
    """
    for path in (Path(np.__file__).parents[1] / "numpy.libs").glob("libscipy_openblas64_*"):
        name = ctypes.CDLL(str(path)).scipy_openblas_get_corename64_
        name.restype = ctypes.c_char_p
        return name().decode()
    return "unknown"
