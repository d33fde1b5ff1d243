"""What determines a run, and how the runs that share a pass over the data are trained together."""

import ast
import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np

from lib import data, splits
from lib.augment import AUGMENTATIONS
from lib.losses import LOSSES
from lib.network import INITIALISERS, create, stack
from lib.optimizers import OPTIMIZERS
from lib.schedules import exponential, linear, triangular
from lib.training import batches, evaluate, fit

#: hidden layers of the course's nine-layer network, as many weights as (50, 50)
NINE_LAYERS = (50, 30, 20, 20, 10, 10, 10, 10)

#: fields in which the experiments of one pass may differ: they become the trial axis
TRIAL_FIELDS = ("seed", "init", "bias_std", "l2", "eta_min", "eta_max", "stages")

#: the modules whose code determines a result
NUMERICAL = ("augment", "experiments", "layers", "losses", "network", "optimizers", "schedules", "splits", "training")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that determines a run and nothing else. The defaults are the setting of the course's assignment 3."""

    data: str = "cifar10"  # "cifar10" or "standin"; data.load says which can be had
    split: str = "45k5k_tail"  # see splits.split
    normalisation: str = "zscore_train"  # see splits.split
    n_train: int | None = None  # training images, None for all of the split
    n_validation: int | None = None  # validation images, None for all of the split (fewer where n_train is given)
    augment: tuple[tuple[str, float], ...] = ()  # e.g. (("flip", 0.5), ("shift", 3)); see augment.augment
    hidden: tuple[int, ...] = (50, 50)  # units of each hidden layer
    loss: str = "softmax"  # see losses.LOSSES
    batch_norm: bool = False  # in every hidden layer
    bn_after_relu: bool = False  # else before
    bn_eps: float = 1e-8  # in units of a variance
    bn_decay: float = 0.9  # weight of the old value in the running averages
    bn_from_zero: bool = False  # the running averages start at 0, else at the first mini-batch's statistics
    bn_statistics: str = "average"  # at evaluation: running "average", or those of the "set" evaluated
    drop_rate: float = 0.0  # of hidden units
    init: str | float = "he"  # "he", "xavier" or one standard deviation for all layers
    bias_std: float = 0.0  # standard deviation of the initial biases
    seed: int = 0  # of the initial weights
    order_seed: int = 0  # of the order of the mini-batches, dropout, augmentation and a random split
    batch_size: int = 100  # images
    shuffle: bool = True  # the training images, anew in each epoch
    skip: int = 0  # training images passed over at the start of every epoch
    optimizer: str = "sgd"  # see optimizers.OPTIMIZERS
    momentum: float = 0.9  # for the optimizers "momentum" and "nesterov"
    schedule: str = "cyclical"  # or "constant", "exponential", "linear"; see schedules
    cycles: int = 2  # cyclical
    n_s: int = 2250  # cyclical: updates in half a cycle
    updates: int | None = None  # of each stage; None for 2 n_s cycles, which the cyclical schedule asks for
    eta_min: float = 1e-5  # cyclical
    eta_max: float = 1e-1  # where the other schedules start
    eta_decay: float = 0.95  # exponential: factor
    decay_every: int = 450  # exponential: updates between two decays
    l2: float = 0.005  # lambda in J = loss + lambda * sum of squared weights
    l2_half: bool = False  # the penalty is lambda / 2 * sum of squared weights instead, as in report 004
    stages: tuple[tuple[float, float], ...] = ()  # (eta_max, l2) of stages in turn, each from the weights of the last
    diverged_factor: float | None = None  # a training cost above this many times the first counts as diverged
    keep_best: bool = False  # final scores of the weights with the best logged validation accuracy, not of the last
    keep_weights: bool = False  # store the first layer's weights with the result
    log_every: int = 450  # updates between two points of the curves
    sample: int = (
        5_000  # training images, as many as validate, on which the training curves are taken; final scores are on all
    )
    test: bool = True  # score the final network on the test set; off in searches

    def __post_init__(self):
        for name in ("hidden", "augment", "stages"):  # lists, as JSON and YAML have them, become tuples
            if isinstance(value := getattr(self, name), (list, tuple)):
                object.__setattr__(self, name, tuple(tuple(v) if isinstance(v, list) else v for v in value))
        for name, (allows, description) in ALLOWED.items():
            if not allows(getattr(self, name)):
                raise ValueError(f"{name} must be {description}, got {getattr(self, name)!r}")
        if (self.schedule == "cyclical") != (self.updates is None):
            raise ValueError("updates must be given unless schedule is 'cyclical', whose length is cycles")

    @property
    def total_updates(self):
        """Number of updates of the whole run."""
        return (self.updates or 2 * self.n_s * self.cycles) * max(1, len(self.stages))

    def etas(self, eta_max=None):
        """Return the learning rate of every update of a stage, (updates,) float64."""
        eta_max = eta_max or self.eta_max
        t = np.arange(self.updates or 2 * self.n_s * self.cycles)
        return {
            "cyclical": lambda: triangular(t, self.eta_min, eta_max, self.n_s),
            "constant": lambda: np.full(len(t), eta_max),
            "exponential": lambda: exponential(t, eta_max, self.eta_decay, self.decay_every),
            "linear": lambda: linear(t, eta_max, len(t)),
        }[self.schedule]()


def _integer(low, optional=False):
    def allows(v):
        return (v is None and optional) or (isinstance(v, int) and not isinstance(v, bool) and v >= low)

    return allows, ("None or " if optional else "") + f"an integer of at least {low}"


def _number(low=0, below=1e9, above=None, optional=False):
    def allows(v):
        number = isinstance(v, (int, float)) and not isinstance(v, bool)
        return (v is None and optional) or (number and low <= v < below and (above is None or v > above))

    limits = f"above {above}" if above is not None else f"of at least {low}"
    return allows, ("None or " if optional else "") + f"a number {limits}" + (f", below {below}" if below < 1e9 else "")


def _one_of(*names):
    return (lambda v: v in names), "one of " + ", ".join(map(repr, names))


def _pairs(value):
    return isinstance(value, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value)


#: what each field may be: a predicate and its description
ALLOWED = {
    "data": _one_of("cifar10", "standin"),
    "split": _one_of(*splits.SPLITS),
    "normalisation": _one_of(*splits.NORMALISATIONS),
    "n_train": _integer(2, optional=True),
    "n_validation": _integer(1, optional=True),
    "augment": (
        lambda v: _pairs(v) and all(name in AUGMENTATIONS and _number()[0](amount) for name, amount in v),
        f"pairs of one of {', '.join(AUGMENTATIONS)} and an amount of at least 0",
    ),
    "hidden": (lambda v: isinstance(v, tuple) and all(map(_integer(1)[0], v)), "a sequence of positive integers"),
    "loss": _one_of(*LOSSES),
    "bn_eps": _number(),
    "bn_decay": _number(below=1),
    "bn_statistics": _one_of("average", "set"),
    "drop_rate": _number(below=1),
    "init": (
        lambda v: v in INITIALISERS if isinstance(v, str) else _number(above=0)[0](v),
        f"one of {', '.join(INITIALISERS)} or a positive standard deviation",
    ),
    "bias_std": _number(),
    "seed": _integer(0),
    "order_seed": _integer(0),
    "batch_size": _integer(2),
    "skip": _integer(0),
    "optimizer": _one_of(*OPTIMIZERS),
    "momentum": _number(below=1),
    "schedule": _one_of("cyclical", "constant", "exponential", "linear"),
    "cycles": _integer(1),
    "n_s": _integer(1),
    "updates": _integer(1, optional=True),
    "eta_min": _number(),
    "eta_max": _number(above=0),
    "eta_decay": _number(above=0),
    "decay_every": _integer(1),
    "l2": _number(),
    "stages": (
        lambda v: _pairs(v) and all(_number(above=0)[0](eta) and _number()[0](l2) for eta, l2 in v),
        "pairs of a positive learning rate and a lambda of at least 0",
    ),
    "diverged_factor": _number(above=1, optional=True),
    "log_every": _integer(1),
    "sample": _integer(1),
}
ALLOWED |= {f.name: (lambda v: isinstance(v, bool), "True or False") for f in fields(Experiment) if f.type is bool}


def vary(experiment, **values):
    """Return one experiment for each value: ``vary(e, seed=range(5))``; several fields vary together, as in zip."""
    names = values.keys()
    return [replace(experiment, **dict(zip(names, each, strict=True))) for each in zip(*values.values(), strict=True)]


@cache
def code_version():
    """Return the hash of the numerical code, eight hex digits; comments, docstrings and layout do not count."""
    trees = (ast.parse(Path(__file__).with_name(f"{name}.py").read_text()) for name in NUMERICAL)
    digest = hashlib.sha256()
    for tree in trees:
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
                if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                    del body[0]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:8]


def key(experiment):
    """Return the name of a result: hash of experiment and data, a dash, hash of the numerical code."""
    numbers = json.loads(json.dumps(asdict(experiment)), parse_int=float)  # equal experiments: 0 is 0.0
    content = json.dumps([numbers, data.load(experiment.data).fingerprint], sort_keys=True)
    return f"{hashlib.sha256(content.encode()).hexdigest()[:16]}-{code_version()}"


def shared(experiment):
    """Return what experiments must have in common to be trained in one pass: all fields but the trial fields."""
    common = tuple((f.name, getattr(experiment, f.name)) for f in fields(experiment) if f.name not in TRIAL_FIELDS)
    return *common, len(experiment.stages)


def train(experiments, progress=lambda updates: None):
    """Train experiments that share a pass; return one record each, plain numbers and lists.

    A record is {"diverged": bool, "curves": {"update", "eta", "train_loss", ... (L,)}, "scores": {"train_loss",
    "train_cost", "train_accuracy", "validation_...", and where asked "test_..."}}, and where asked "weights", the
    first layer's, rows of lists; losses in nats, accuracies as fractions. The final training scores are taken on all
    training images. progress: see training.fit. Raises ValueError if the experiments do not share a pass.
    """
    common = experiments[0]
    if any(shared(e) != shared(common) for e in experiments):
        raise ValueError("experiments of one pass may differ in " + ", ".join(TRIAL_FIELDS) + " only")
    split_rng, order_rng, noise_rng = map(np.random.default_rng, np.random.SeedSequence(common.order_seed).spawn(3))
    parts = splits.split(
        data.load(common.data), common.split, common.normalisation, common.n_train, split_rng, common.n_validation
    )
    network = stack([_initial(e) for e in experiments])
    order = batches(len(parts.train), common.batch_size, order_rng if common.shuffle else None, common.skip)
    scoring = {"loss": common.loss, "statistics": common.bn_statistics}
    history = None
    for stage in range(max(1, len(common.stages))):
        rates, penalties = zip(*(e.stages[stage] if e.stages else (e.eta_max, e.l2) for e in experiments), strict=True)
        l2 = np.array(penalties) / (2 if common.l2_half else 1)
        history = fit(
            network,
            OPTIMIZERS[common.optimizer](common.momentum),
            parts.train,
            parts.validation,
            etas=np.stack([e.etas(eta) for e, eta in zip(experiments, rates, strict=True)], axis=-1),
            l2=l2,
            order=order,
            log_every=common.log_every,
            sample=common.sample,
            recipe=common.augment,
            rng=noise_rng,
            keep_best=common.keep_best,
            history=history,
            progress=progress,
            **scoring,
        )
    with np.errstate(all="ignore"):  # a diverged trial may overflow
        names = ("train", "validation", "test")[: 3 if common.test else 2]
        final = {name: evaluate(network, getattr(parts, name), l2, **scoring) for name in names}
    return [_record(experiment, trial, history, final, network) for trial, experiment in enumerate(experiments)]


def _initial(e):
    """The network of an experiment before training, without trial axis."""
    return create(
        (data.PIXELS, *e.hidden, len(data.CLASSES)),
        e.init,
        np.random.default_rng(e.seed),
        bias_std=e.bias_std,
        batch_norm=e.batch_norm,
        eps=e.bn_eps,
        decay=e.bn_decay,
        from_zero=e.bn_from_zero,
        after_relu=e.bn_after_relu,
        drop_rate=e.drop_rate,
    )


def _record(experiment, trial, history, final, network):
    """One trial's part of a pass, as plain lists and numbers."""
    curves = {"update": history.update, "eta": [float(eta[trial]) for eta in history.eta]}
    for part in ("train", "validation"):
        for quantity, values in getattr(history, part).items():
            curves[f"{part}_{quantity}"] = [float(value[trial]) for value in values]
    scores = {f"{part}_{name}": float(value[trial]) for part, each in final.items() for name, value in each.items()}
    limit = curves["train_cost"][0] * (experiment.diverged_factor or np.inf)
    diverged = not all(cost <= limit and np.isfinite(cost) for cost in curves["train_cost"])
    weights = {"weights": network.layers[0]["W"][trial].tolist()} if experiment.keep_weights else {}
    return {"diverged": diverged, "curves": curves, "scores": scores, **weights}
