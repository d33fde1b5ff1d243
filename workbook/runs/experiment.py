"""What determines a run: the fields of an Experiment, what they may be, and the name of a stored result."""

import ast
import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path

from lib import data, nn
from lib.choices import check_choice
from lib.nn.augmentation import AUGMENTATIONS
from lib.nn.losses import LOSSES
from lib.nn.network import INITIALISERS
from lib.nn.optimizers import OPTIMIZERS
from lib.nn.passes import rates
from lib.nn.splits import NORMALISATIONS, SPLITS
from workbook.runs.oddities import Oddities

#: hidden layers of the course's nine-layer network, as many weights as (50, 50)
NINE_LAYERS = (50, 30, 20, 20, 10, 10, 10, 10)

#: fields in which the experiments of one pass may differ: they become the trial axis (and so do the ``stages`` of odd)
TRIAL_FIELDS = ("seed", "init", "bias_std", "l2", "eta_min", "eta_max")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that determines a run and nothing else. The defaults are the setting of the course's assignment 3."""

    # the data
    data: str = "cifar10"  # "cifar10" or "standin"
    split: str = "45k5k_tail"  # see lib.nn.splits.split
    normalisation: str = "zscore_train"  # see lib.nn.splits.split
    n_train: int | None = None  # training images, None for all of the split
    n_validation: int | None = None  # validation images, None for all of the split (fewer where n_train is given)
    augment: tuple[tuple[str, float], ...] = ()  # e.g. (("flip", 0.5), ("shift", 3)); see lib.nn.augmentation.augment
    # the network
    hidden: tuple[int, ...] = (50, 50)  # units of each hidden layer
    batch_norm: bool = False  # in every hidden layer
    init: str | float = "he"  # "he", "xavier" or one standard deviation for all layers
    seed: int = 0  # of the initial weights
    l2: float = 0.005  # lambda in J = loss + lambda * sum of squared weights
    # its training
    batch_size: int = 100  # images
    schedule: str = "cyclical"  # or "constant", "exponential", "linear"; see lib.nn.schedules
    cycles: int = 2  # cyclical
    n_s: int = 2250  # cyclical: updates in half a cycle
    eta_min: float = 1e-5  # cyclical
    eta_max: float = 1e-1  # where the other schedules start
    updates: int | None = None  # None for the 2 n_s cycles of the cyclical schedule; the others need a number
    schedule_options: tuple[tuple[str, float], ...] = ()  # exponential: {"factor": 0.95, "every": 450 updates}
    optimizer: str = "sgd"  # see lib.nn.optimizers.OPTIMIZERS
    optimizer_options: tuple[tuple[str, float], ...] = ()  # the optimizer's keywords, e.g. {"rho": 0.9}
    order_seed: int = 0  # of the order of the minibatches, dropout, augmentation and a random split
    # the bonus exercises
    loss: str = "softmax"  # see lib.nn.losses.LOSSES
    drop_rate: float = 0.0  # probability that a hidden unit is set to 0
    bias_std: float = 0.0  # standard deviation of the initial biases
    shuffle: bool = True  # the training images, anew in each epoch
    bn_after_relu: bool = False  # else before
    bn_decay: float = 0.9  # weight of the old value in the running averages
    bn_eps: float = 1e-8  # added to the variance
    # what is looked at
    log_every: int = 450  # updates between two points of the curves
    sample: int = 5_000  # training images on which the training curves are taken; the final scores are taken on all
    keep_best: bool = False  # final scores of the weights with the best logged validation accuracy, not of the last
    keep_weights: bool = False  # store the first layer's weights with the result
    test: bool = True  # score the final network on the test set; off in searches
    # what only single reports did
    odd: Oddities = field(default_factory=Oddities)

    def __post_init__(self):
        if isinstance(self.odd, dict):
            for name in self.odd:
                check_choice("odd", name, [f.name for f in fields(Oddities)])
            object.__setattr__(self, "odd", Oddities(**self.odd))
        for name in ("hidden", "augment", "schedule_options", "optimizer_options"):
            object.__setattr__(self, name, _tuples(getattr(self, name)))
        object.__setattr__(self.odd, "stages", _tuples(self.odd.stages))
        for name, (allows, description) in ALLOWED.items():
            value = getattr(self.odd if name in ODD else self, name)
            if not allows(value):
                raise ValueError(f"{'odd: ' if name in ODD else ''}{name} must be {description}, got {value!r}")
        if (self.schedule == "cyclical") != (self.updates is None):
            raise ValueError("updates must be given unless schedule is 'cyclical', whose length is cycles")
        self._check_options()

    def _check_options(self):
        """Raise ValueError unless the options are keywords of the schedule and of the optimizer."""
        known = ("factor", "every") if self.schedule == "exponential" else ()
        for name in known:
            if name not in dict(self.schedule_options):
                raise ValueError("schedule_options must give factor and every for the exponential schedule")
        for name, _ in self.schedule_options:
            check_choice("schedule_options", name, known or ["none for this schedule"])
        try:
            OPTIMIZERS[self.optimizer](**dict(self.optimizer_options))
        except TypeError:
            rule = OPTIMIZERS[self.optimizer]
            names = rule.__init__.__code__.co_varnames[1:] if rule.__init__ is not object.__init__ else ()
            raise ValueError(
                f"optimizer_options of {self.optimizer} may be {', '.join(names) or 'none'}, "
                f"got {dict(self.optimizer_options)}"
            ) from None

    @property
    def total_updates(self):
        """Number of updates of the whole run."""
        return (self.updates or 2 * self.n_s * self.cycles) * max(1, len(self.odd.stages))

    def etas(self):
        """Return the learning rate of every update, (updates,) float64."""
        return rates(self)


def _tuples(value):
    """Return lists and dicts, as JSON and YAML have them, as tuples; anything else as it is."""
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        return tuple(tuple(each) if isinstance(each, list) else each for each in value)
    return value


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


_OPTIONS = (
    (lambda v: _pairs(v) and all(isinstance(name, str) and _number()[0](x) for name, x in v)),
    "names with numbers",
)

#: what each field may be, those of Oddities included: a predicate and its description
ALLOWED = {
    "data": _one_of("cifar10", "standin"),
    "split": _one_of(*SPLITS),
    "normalisation": _one_of(*NORMALISATIONS),
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
    "schedule": _one_of("cyclical", "constant", "exponential", "linear"),
    "cycles": _integer(1),
    "n_s": _integer(1),
    "updates": _integer(1, optional=True),
    "eta_min": _number(),
    "eta_max": _number(above=0),
    "schedule_options": _OPTIONS,
    "optimizer_options": _OPTIONS,
    "l2": _number(),
    "stages": (
        lambda v: _pairs(v) and all(_number(above=0)[0](eta) and _number()[0](l2) for eta, l2 in v),
        "pairs of a positive learning rate and a lambda of at least 0",
    ),
    "diverged_factor": _number(above=1, optional=True),
    "log_every": _integer(1),
    "sample": _integer(1),
}
ODD = {f.name for f in fields(Oddities)}
ALLOWED |= {
    f.name: (lambda v: isinstance(v, bool), "True or False")
    for f in (*fields(Experiment), *fields(Oddities))
    if f.type is bool
}


def vary(experiment, **values):
    """Return one experiment for each value: ``vary(e, seed=range(5))``; several fields vary together, as in zip."""
    names = values.keys()
    return [replace(experiment, **dict(zip(names, each, strict=True))) for each in zip(*values.values(), strict=True)]


def shared(experiment):
    """Return what experiments must have in common to be trained in one pass: all but the trial fields."""
    return replace(experiment, odd=replace(experiment.odd, stages=((1, 0),) * len(experiment.odd.stages)),
                   **{name: Experiment.__dataclass_fields__[name].default for name in TRIAL_FIELDS})  # fmt: skip


def departures(settings):
    """Return {field: value} of the fields of an Experiment, or of Oddities, that are not at their defaults."""
    found = {}
    for f in fields(settings):
        value = getattr(settings, f.name)
        if isinstance(value, Oddities):
            value = departures(value)
            if value:
                found[f.name] = value
        elif value != f.default:
            found[f.name] = value
    return found


@cache
def code_version():
    """Return the hash of ``lib/nn``, eight hex digits; comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for path in sorted(Path(nn.__file__).parent.glob("*.py")):
        digest.update(_without_docstrings(path.read_text()).encode())
    return digest.hexdigest()[:8]


def _without_docstrings(source):
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                del body[0]
    return ast.dump(tree)


def key(experiment):
    """Return the name of a result: the hash of experiment and data, a dash, the hash of ``lib/nn``.

    Only fields that are not at their defaults are hashed, so a field that is added later, with a default that changes
    nothing, leaves the names of all stored results as they are.
    """
    numbers = json.loads(json.dumps(departures(experiment)), parse_int=float)  # so that 0 and 0.0 have one name
    content = json.dumps([numbers, data.load(experiment.data).fingerprint], sort_keys=True)
    return f"{hashlib.sha256(content.encode()).hexdigest()[:16]}-{code_version()}"
