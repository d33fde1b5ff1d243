"""Training that can be watched and stopped: the steps of lib.nn.passes, with a logger that shows its points at once."""

import time
from dataclasses import replace
from functools import lru_cache

import numpy as np

from lib import data
from lib.nn.network import stack
from lib.nn.optimizers import OPTIMIZERS
from lib.nn.passes import initial_network, rates
from lib.nn.splits import split
from lib.nn.training import Logger, batches, fit
from workbook.runs.experiment import Experiment

POINTS = 24  # of a learning curve


class Stopped(Exception):
    """The training was asked to stop."""


class Watch(Logger):
    """A Logger that shows every point at once, and ends the training as soon as ``stopping`` is set.

    show: called with the network and the curves at every point. stopping: a threading.Event. For the others see
    lib.nn.training.Logger.
    """

    def __init__(self, train, validation, every, *, show, stopping):
        super().__init__(train, validation, every)
        self.show, self.stopping = show, stopping

    def begin(self, network, l2, etas):
        """Log and show the untrained network."""
        super().begin(network, l2, etas)
        self.show(network, self.curves)

    def after(self, update, network, l2, etas):
        """Log and show the network after an update, if it is time. Raises Stopped."""
        if self.stopping.is_set():
            raise Stopped
        points = len(self.curves["update"])
        super().after(update, network, l2, etas)
        if len(self.curves["update"]) > points:
            self.show(network, self.curves)
        time.sleep(0)  # lets the kernel answer


def short(data_name="auto", **settings):
    """Return the course's Experiment made short enough to play with: 5 000 images, two cycles of 400 updates.

    settings: fields that replace these. Raises as data.load and Experiment do.
    """
    few = {"n_train": 5000, "n_validation": 500, "sample": 500, "n_s": 200, "cycles": 2, "test": False}
    return spaced(Experiment(data=data.load(data_name).name, **few | settings))


def spaced(experiment):
    """Return the experiment with POINTS points on its curves, however long it trains."""
    return replace(experiment, log_every=max(1, experiment.total_updates // POINTS))


@lru_cache(4)
def parts(data_name, split_name, normalisation, n_train, n_validation):
    """Return the Split of a data set; to work out how pixels are normalised takes longest when a run begins."""
    rng = np.random.default_rng(np.random.SeedSequence(0).spawn(1)[0])  # as passes.train with order_seed 0
    return split(data.load(data_name), split_name, normalisation, n_train, rng, n_validation)


def images(experiment):
    """Return the Split of an experiment."""
    e = experiment
    return parts(e.data, e.split, e.normalisation, e.n_train, e.n_validation)


def train(trials, show, stopping, updates=None):
    """Train experiments in one pass and show each point of their curves; they give the numbers of passes.train.

    trials: Experiments that may differ as those of one pass, T of them. show: called with the network of T trials and
    the curves so far, as lib.nn.training.Logger holds them. stopping: a threading.Event that ends the training.
    updates: ends it after so many. Raises Stopped, and ValueError for a batch_size above n_train.
    """
    common, sets = trials[0], images(trials[0])
    _, order_rng, noise_rng = map(np.random.default_rng, np.random.SeedSequence(common.order_seed).spawn(3))
    train_set, validation = sets.train.take(None), sets.validation.take(None)  # each with a buffer of its own
    watch = Watch(train_set.take(common.sample), validation, common.log_every, show=show, stopping=stopping)
    fit(
        stack([initial_network(e) for e in trials]),
        OPTIMIZERS[common.optimizer](**dict(common.optimizer_options)),
        train_set,
        etas=np.stack([rates(e)[:updates] for e in trials], axis=-1),
        l2=np.array([e.l2 for e in trials]),
        order=batches(len(train_set), common.batch_size, order_rng),
        recipe=common.augment,
        rng=noise_rng,
        logger=watch,
    )
