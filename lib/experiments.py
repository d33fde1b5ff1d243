"""What determines a run, and how the runs that share a pass over the data are trained together."""

import ast
import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np

from lib import data, splits
from lib.network import INITIALISERS, create, stack
from lib.optimizers import SGD
from lib.schedules import triangular
from lib.training import evaluate, fit

#: hidden layers of the course's nine-layer network, as many weights as (50, 50)
NINE_LAYERS = (50, 30, 20, 20, 10, 10, 10, 10)

#: fields in which the experiments of one pass may differ: they become the trial axis
TRIAL_FIELDS = ("seed", "init", "l2", "eta_min", "eta_max")

#: the modules whose code determines a result
NUMERICAL = ("experiments", "layers", "losses", "network", "optimizers", "schedules", "splits", "training")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that determines a run and nothing else. The defaults are the setting of the course's assignment 3."""

    data: str = "cifar10"  # "cifar10" or "standin"; data.load says which can be had
    split: str = "45k5k_tail"  # see splits.split
    normalisation: str = "zscore_train"  # see splits.split
    n_train: int | None = None  # training images, None for all of the split
    hidden: tuple[int, ...] = (50, 50)  # units of each hidden layer
    batch_norm: bool = False  # before each ReLU
    bn_eps: float = 1e-8  # in units of a variance
    bn_decay: float = 0.9  # weight of the old value in the running averages
    bn_statistics: str = "average"  # at evaluation: running "average", or those of the "set" evaluated
    init: str | float = "he"  # "he", "xavier" or one standard deviation for all layers
    seed: int = 0  # of the initial weights
    order_seed: int = 0  # of the order of the mini-batches, and of a random split
    batch_size: int = 100  # images
    cycles: int = 2
    n_s: int = 2250  # updates in half a cycle
    eta_min: float = 1e-5
    eta_max: float = 1e-1
    l2: float = 0.005  # lambda in J = cross-entropy + lambda * sum of squared weights
    log_every: int = 450  # updates between two points of the curves
    sample: int = 10_000  # training images on which the training curves are taken; final scores are on all
    test: bool = True  # score the final network on the test set; off in searches

    def __post_init__(self):
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for name, allowed in ALLOWED.items():
            value = getattr(self, name)
            if not allowed[0](value):
                raise ValueError(f"{name} must be {allowed[1]}, got {value!r}")

    @property
    def updates(self):
        """Number of updates of the whole run."""
        return 2 * self.n_s * self.cycles

    def etas(self):
        """Learning rate of every update, (updates,)."""
        return triangular(np.arange(self.updates), self.eta_min, self.eta_max, self.n_s)


def _integer(low):
    return (
        lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= low,
        f"an integer of at least {low}",
    )


def _number(low, strict=False):
    def check(v):
        return isinstance(v, (int, float)) and not isinstance(v, bool) and (v > low if strict else v >= low) and v < 1e9

    return check, f"a number {'above' if strict else 'of at least'} {low}"


def _one_of(*names):
    return (lambda v: v in names, "one of " + ", ".join(map(repr, names)))


_FLAG = _one_of(True, False)
ALLOWED = {
    "data": _one_of("cifar10", "standin"),
    "split": _one_of(*splits.SPLITS),
    "normalisation": _one_of(*splits.NORMALISATIONS),
    "n_train": (lambda v: v is None or _integer(2)[0](v), "None or an integer of at least 2"),
    "hidden": (lambda v: all(map(_integer(1)[0], v)), "a sequence of positive integers"),
    "batch_norm": _FLAG,
    "bn_eps": _number(0),
    "bn_decay": (lambda v: 0 <= v < 1, "a number in [0, 1)"),
    "bn_statistics": _one_of("average", "set"),
    "init": (
        lambda v: v in INITIALISERS or _number(0, strict=True)[0](v),
        f"one of {', '.join(INITIALISERS)} or a positive standard deviation",
    ),
    "seed": _integer(0),
    "order_seed": _integer(0),
    "batch_size": _integer(2),
    "cycles": _integer(1),
    "n_s": _integer(1),
    "eta_min": _number(0),
    "eta_max": _number(0, strict=True),
    "l2": _number(0),
    "log_every": _integer(1),
    "sample": _integer(1),
    "test": _FLAG,
}

#: what each profile changes in an experiment
PROFILES = {
    "full": {},
    "quick": {"n_train": 4000, "n_s": 200, "cycles": 1, "log_every": 40, "sample": 1000},
}


def setting(profile, data_name):
    """Return the course's Experiment under a profile ("quick", "full") on a data set ("auto", "cifar10", "standin").

    Raises ValueError for an unknown profile, data.DataError where the data cannot be had.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    return Experiment(data=data.load(data_name).name, **PROFILES[profile])


def caveat(experiment):
    """Return what a reader must know before comparing the numbers with others; empty for CIFAR-10 at full size."""
    parts = ["stand-in images, not CIFAR-10"] if experiment.data == "standin" else []
    if experiment.n_train:
        parts.append(f"quick profile: {experiment.n_train} training images, {experiment.updates} updates")
    return "; ".join(parts)


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
    content = json.dumps([asdict(experiment), data.load(experiment.data).fingerprint], sort_keys=True)
    return f"{hashlib.sha256(content.encode()).hexdigest()[:16]}-{code_version()}"


def shared(experiment):
    """Return what experiments must have in common to be trained in one pass: all fields but the trial fields."""
    return tuple((f.name, getattr(experiment, f.name)) for f in fields(experiment) if f.name not in TRIAL_FIELDS)


def train(experiments, progress=lambda updates: None):
    """Train experiments that share a pass; return one record each, plain numbers and lists.

    A record is {"diverged": bool, "curves": {"update", "eta", "train_loss", ... (L,)}, "scores": {"train_loss",
    "train_cost", "train_accuracy", "validation_...", and where asked "test_..."}}; losses in nats, accuracies as
    fractions. The final training scores are taken on all training images. progress: see training.fit.
    Raises ValueError if the experiments do not share a pass.
    """
    common = experiments[0]
    if any(shared(e) != shared(common) for e in experiments):
        raise ValueError("experiments of one pass may differ in " + ", ".join(TRIAL_FIELDS) + " only")
    split_rng, order_rng = map(np.random.default_rng, np.random.SeedSequence(common.order_seed).spawn(2))
    parts = splits.split(data.load(common.data), common.split, common.normalisation, common.n_train, split_rng)
    widths = (parts.train.batch(slice(0, 1)).shape[1], *common.hidden, len(data.CLASSES))
    bn = {"batch_norm": common.batch_norm, "eps": common.bn_eps, "decay": common.bn_decay}
    network = stack([create(widths, e.init, np.random.default_rng(e.seed), **bn) for e in experiments])
    l2 = np.array([e.l2 for e in experiments])
    history = fit(
        network,
        SGD(),
        parts.train,
        parts.validation,
        etas=np.stack([e.etas() for e in experiments], axis=-1),
        batch_size=common.batch_size,
        l2=l2,
        rng=order_rng,
        log_every=common.log_every,
        sample=common.sample,
        statistics=common.bn_statistics,
        progress=progress,
    )
    with np.errstate(all="ignore"):  # a diverged trial may overflow
        final = {
            name: evaluate(network, getattr(parts, name), l2, statistics=common.bn_statistics)
            for name in ("train", "validation", "test")[: 3 if common.test else 2]
        }
    return [_record(history, final, trial) for trial in range(len(experiments))]


def _record(history, final, trial):
    """One trial's part of a pass, as plain lists and numbers."""
    curves = {"update": history.update, "eta": [float(eta[trial]) for eta in history.eta]}
    for part in ("train", "validation"):
        for quantity, values in getattr(history, part).items():
            curves[f"{part}_{quantity}"] = [float(value[trial]) for value in values]
    scores = {f"{part}_{name}": float(value[trial]) for part, each in final.items() for name, value in each.items()}
    return {"diverged": bool(history.diverged[trial]), "curves": curves, "scores": scores}
