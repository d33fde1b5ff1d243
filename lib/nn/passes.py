"""From the settings of several runs to their results: runs that share the minibatches are trained in one pass.

``settings`` is any object with the attributes of the workbook's ``Experiment``, which documents and validates them;
its ``odd`` holds what only single student reports did.
"""

import numpy as np

from lib.nn.network import create, stack
from lib.nn.optimizers import OPTIMIZERS
from lib.nn.schedules import exponential, linear, triangular
from lib.nn.splits import split
from lib.nn.training import Logger, batches, evaluate, fit


def rates(settings, eta_max=None):
    """Return the learning rates of a run, (updates,) float64; a stage of it may have an eta_max of its own."""
    eta_max = eta_max or settings.eta_max
    t, options = np.arange(settings.updates or 2 * settings.n_s * settings.cycles), dict(settings.schedule_options)
    if settings.schedule == "cyclical":
        return triangular(t, settings.eta_min, eta_max, settings.n_s)
    if settings.schedule == "exponential":
        return exponential(t, eta_max, **options)
    if settings.schedule == "linear":
        return linear(t, eta_max, len(t))
    return np.full(len(t), float(eta_max))


def initial_network(settings, inputs=3072, classes=10):
    """Return the untrained network of a run, without a trial axis."""
    options = {"eps": settings.bn_eps, "decay": settings.bn_decay, "from_zero": settings.odd.bn_from_zero}
    options |= {"after_relu": settings.bn_after_relu, "drop_rate": settings.drop_rate}
    options |= {"bias_std": settings.bias_std, "batch_norm": settings.batch_norm}
    return create((inputs, *settings.hidden, classes), settings.init, np.random.default_rng(settings.seed), **options)


def train(trials, dataset, progress=None):
    """Train runs in one pass and return a record for each, in plain numbers and lists.

    trials: settings that differ in seed, init, bias_std, l2, eta_min, eta_max and stages at most. dataset: a
    data.Dataset. progress: see training.Logger.

    A record is {"diverged": bool, "curves": {"update", "eta", "train_loss", ... (L,)}, "scores": {"train_loss",
    "train_cost", "train_accuracy", "validation_...", "test_..." if asked for}}, and if asked for "weights", the first
    layer's as a list of rows. Losses are in nats, accuracies are fractions; the training scores are of all its images.
    """
    common = trials[0]
    split_rng, order_rng, noise_rng = map(np.random.default_rng, np.random.SeedSequence(common.order_seed).spawn(3))
    parts = split(dataset, common.split, common.normalisation, common.n_train, split_rng, common.n_validation)
    network = stack([initial_network(settings) for settings in trials])
    order = batches(len(parts.train), common.batch_size, order_rng if common.shuffle else None, common.odd.skip)
    scoring = {"loss": common.loss, "statistics": common.odd.bn_statistics}
    options = {"keep_best": common.keep_best, "progress": progress, **scoring}
    logger = Logger(parts.train.take(common.sample), parts.validation, common.log_every, **options)
    options = {"loss": common.loss, "recipe": common.augment, "rng": noise_rng, "logger": logger, "order": order}
    options["frozen"] = ("b",) if common.odd.frozen_biases else ()
    for stage in range(max(1, len(common.odd.stages))):
        etas, l2 = zip(*(_stage(settings, stage) for settings in trials), strict=True)
        etas, l2 = np.stack(etas, axis=-1), np.array(l2)
        optimizer = OPTIMIZERS[common.optimizer](**dict(common.optimizer_options))
        fit(network, optimizer, parts.train, etas=etas, l2=l2, **options)
        if common.keep_best:
            network.load_state(logger.best[1])
    with np.errstate(all="ignore"):  # a diverged trial may overflow
        names = ("train", "validation", "test") if common.test else ("train", "validation")
        final = {name: evaluate(network, getattr(parts, name), l2, **scoring) for name in names}
    return [_record(settings, trial, logger.curves, final, network) for trial, settings in enumerate(trials)]


def _stage(settings, stage):
    """Return the learning rates and the lambda of one stage of a run; a run without stages has one."""
    eta_max, l2 = settings.odd.stages[stage] if settings.odd.stages else (settings.eta_max, settings.l2)
    return rates(settings, eta_max), l2 / 2 if settings.odd.l2_half else l2


def _record(settings, trial, curves, final, network):
    """Return one trial's part of a pass, as plain lists and numbers."""
    values = {name: [float(value[trial]) for value in curve] for name, curve in curves.items() if name != "update"}
    curves = {"update": curves["update"]} | values
    scores = {f"{part}_{name}": float(value[trial]) for part, each in final.items() for name, value in each.items()}
    limit = curves["train_cost"][0] * (settings.odd.diverged_factor or np.inf)
    diverged = not all(cost <= limit and np.isfinite(cost) for cost in curves["train_cost"])
    weights = {"weights": network.layers[0]["W"][trial].tolist()} if settings.keep_weights else {}
    return {"diverged": diverged, "curves": curves, "scores": scores} | weights
