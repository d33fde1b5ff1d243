"""What determines a run: the fields of an Experiment, what they may be, and the name of a stored result."""

import ast
import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from functools import cache
from inspect import signature
from pathlib import Path

from lib import data, nn
from lib.choices import check_choice
from lib.nn.augmentation import AUGMENTATIONS
from lib.nn.losses import LOSSES
from lib.nn.network import INITIALISERS
from lib.nn.optimizers import OPTIMIZERS
from lib.nn.passes import rates
from lib.nn.splits import NORMALISATIONS, SPLITS
from workbook.runs.fields import build, require, setting, settle
from workbook.runs.oddities import Oddities

#: hidden layers of the course's nine-layer network, as many weights as (50, 50)
NINE_LAYERS = (50, 30, 20, 20, 10, 10, 10, 10)

#: fields in which the experiments of one pass may differ: they become the trial axis (and so do the ``stages`` of odd)
TRIAL_FIELDS = ("seed", "init", "bias_std", "l2", "eta_min", "eta_max")

#: the learning rate schedules of lib.nn.schedules, each with the options that it needs
SCHEDULES = {"cyclical": (), "constant": (), "exponential": ("factor", "every"), "linear": ()}

#: training and validation images of each split
IMAGES = {"B1B2": (10_000, 10_000), "45k5k_tail": (45_000, 5_000), "45k5k_random": (45_000, 5_000)}
IMAGES |= {"49k1k": (49_000, 1_000), "49k1k_file2": (49_000, 1_000), "50k": (50_000, 5_000)}

#: the least and the most that an augmentation or an option may be, where that is not any number from 0
RANGES = {"flip": (0, 1), "shift": (0, 31), "blur": (0, 1), "noise": (0, 100)}
RANGES |= {"factor": (0, 1), "every": (1, 1e9), "rho": (0, 1), "beta1": (0, 0.999999), "beta2": (0, 0.999999)}

#: updates of a whole run: the course's 9000 take seconds, these would take hours
LONGEST = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that determines a run and nothing else. The defaults are the setting of the course's assignment 3.

    Lists and dicts are turned into tuples. Raises ValueError, which names the field, its value and what is allowed.
    """

    # the data
    data: str = setting("cifar10", ("cifar10", "standin"))
    split: str = setting("45k5k_tail", SPLITS)  # see lib.nn.splits.split
    normalisation: str = setting("zscore_train", NORMALISATIONS)  # see lib.nn.splits.split
    n_train: int | None = setting(None, int, 2)  # training images, None for all of the split
    n_validation: int | None = setting(None, int, 1)  # None for all of the split (fewer where n_train is given)
    augment: tuple[tuple[str, float], ...] = setting((), {tuple(AUGMENTATIONS): float})  # {"flip": 0.5, "shift": 3}
    # the network
    hidden: tuple[int, ...] = setting((50, 50), [int], 1)  # units of each hidden layer
    batch_norm: bool = setting(False, bool)  # in every hidden layer
    init: str | float = setting("he", (*INITIALISERS, float), 1e-12)  # a number is the standard deviation of all layers
    seed: int = setting(0, int)  # of the initial weights
    l2: float = setting(0.005, float)  # lambda in J = loss + lambda * sum of squared weights
    # its training
    batch_size: int = setting(100, int, 2)  # images
    schedule: str = setting("cyclical", tuple(SCHEDULES))
    cycles: int = setting(2, int, 1)  # cyclical
    n_s: int = setting(2250, int, 1)  # cyclical: updates in half a cycle
    eta_min: float = setting(1e-5, float)  # cyclical
    eta_max: float = setting(1e-1, float, 1e-12)  # where the other schedules start
    updates: int | None = setting(None, int, 1)  # None for the 2 n_s cycles updates of the cyclical schedule
    schedule_options: tuple[tuple[str, float], ...] = setting(
        (), {str: float}
    )  # {"factor": 0.95, "every": 450 updates}
    optimizer: str = setting("sgd", tuple(OPTIMIZERS))
    optimizer_options: tuple[tuple[str, float], ...] = setting((), {str: float})  # keywords of the optimizer
    order_seed: int = setting(0, int)  # of the order of the minibatches, dropout, augmentation and a random split
    # the bonus exercises
    loss: str = setting("softmax", tuple(LOSSES))
    drop_rate: float = setting(0.0, float, below=1)  # probability that a hidden unit is set to 0
    bias_std: float = setting(0.0, float)  # standard deviation of the initial biases
    shuffle: bool = setting(True, bool)  # the training images, anew in each epoch
    bn_after_relu: bool = setting(False, bool)  # else before
    bn_decay: float = setting(0.9, float, below=1)  # weight of the old value in the running averages
    bn_eps: float = setting(1e-8, float)  # added to the variance
    # what is looked at
    log_every: int = setting(450, int, 1)  # updates between two points of the curves
    sample: int = setting(5_000, int, 1)  # training images for the training curves; final scores are taken on all
    keep_best: bool = setting(False, bool)  # final scores of the weights with the best logged validation accuracy
    keep_weights: bool = setting(False, bool)  # store the first layer's weights with the result
    test: bool = setting(True, bool)  # score the final network on the test set; off in searches
    # what only single reports did
    odd: Oddities = field(default=Oddities())

    def __post_init__(self):
        if not isinstance(self.odd, Oddities):
            object.__setattr__(self, "odd", build(Oddities, "field of odd", self.odd))
        settle(self)
        if self.schedule == "cyclical" and self.updates is not None:
            raise ValueError(f"updates = {self.updates}, allowed with schedule 'cyclical': none, as cycles tells them")
        if self.schedule != "cyclical" and self.updates is None:
            raise ValueError(f"updates = None, allowed with schedule {self.schedule!r}: an integer of at least 1")
        keywords = signature(OPTIMIZERS[self.optimizer]).parameters.values()
        keywords = [each.name for each in keywords if each.default is not each.empty]
        for what, known in (("schedule", SCHEDULES[self.schedule]), ("optimizer", keywords)):
            options = dict(getattr(self, f"{what}_options"))
            for name in options:
                check_choice(f"{what}_options of {getattr(self, what)}", name, known or ["none"])
            object.__setattr__(self, f"{what}_options", tuple(sorted(options.items())))
        if len(self.schedule_options) < len(SCHEDULES[self.schedule]):
            raise ValueError(f"schedule_options of {self.schedule} need {' and '.join(SCHEDULES[self.schedule])}")
        self._check_together()

    def _check_together(self):
        """Raise ValueError for a value that does not go with others, or that no run could have."""
        train, validation = IMAGES[self.split]
        for name, most in (("n_train", train), ("n_validation", validation)):
            value = getattr(self, name)
            require(value is None or value <= most, name, value, f"at most {most} with split {self.split}")
            require(value != 1 or not self.batch_norm, name, value, "at least 2 with batch normalisation")
        require(self.sample > 1 or not self.batch_norm, "sample", self.sample, "at least 2 with batch normalisation")
        left = (self.n_train or train) - self.odd.skip
        require(self.batch_size <= left, "batch_size", self.batch_size, f"at most the {left} images of an epoch")
        if self.schedule == "cyclical":
            require(self.eta_min <= self.eta_max, "eta_min", self.eta_min, f"at most eta_max = {self.eta_max}")
        name = "updates" if self.updates else "cycles"
        longest = f"at most {LONGEST} updates in all, not {self.total_updates:g}"
        require(self.total_updates <= LONGEST, name, getattr(self, name), longest)
        for name in ("augment", "schedule_options", "optimizer_options"):
            for each, amount in getattr(self, name):
                low, high = RANGES.get(each, (0, amount))
                require(low <= amount <= high, f"{name}.{each}", amount, f"a number from {low:g} to {high:g}")

    @property
    def total_updates(self):
        """Number of updates of the whole run."""
        return (self.updates or 2 * self.n_s * self.cycles) * max(1, len(self.odd.stages))

    def etas(self):
        """Return the learning rate of every update, (updates,) float64."""
        return rates(self)


def make(settings):
    """Return the Experiment of {field: value} as a file has it, with {"odd": {field: value}} for its oddities.

    Dotted names such as "odd.l2_half" and "optimizer_options.rho" set one value inside a field. Raises ValueError, with
    the nearest name for one that is unknown.
    """
    whole = {}
    for name, value in settings.items():
        outer, _, inner = str(name).partition(".")
        if inner:
            check_choice("field", outer, ("odd", "optimizer_options", "schedule_options"))
            value = {inner: value}
        if isinstance(value, dict) and isinstance(whole.get(outer), dict):
            value = whole[outer] | value
        whole[outer] = value
    return build(Experiment, "field", whole)


def vary(experiment, **values):
    """Return one experiment for each value: ``vary(e, seed=range(5))``; several fields vary together, as in zip."""
    names = values.keys()
    return [replace(experiment, **dict(zip(names, each, strict=True))) for each in zip(*values.values(), strict=True)]


def shared(experiment):
    """Return what experiments must have in common to be trained in one pass: all but the trial fields."""
    stages = ((1, 0),) * len(experiment.odd.stages)
    defaults = {name: getattr(Experiment, name) for name in TRIAL_FIELDS}
    return replace(experiment, odd=replace(experiment.odd, stages=stages), **defaults)


def departures(settings):
    """Return {field: value} of the fields of an Experiment, or of Oddities, that are not at their defaults."""
    found = {}
    for f in fields(settings):
        value = getattr(settings, f.name)
        if value != f.default:
            found[f.name] = departures(value) if isinstance(value, Oddities) else value
    return found


@cache
def code_version():
    """Return the hash of ``lib/nn``, eight hex digits; comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for path in sorted(Path(nn.__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
                del node.body[0]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:8]


def key(experiment):
    """Return the name of a result: the hash of experiment and data, a dash, the hash of ``lib/nn``.

    Only fields that are not at their defaults are hashed, so a field that is added later, with a default that changes
    nothing, leaves the names of all stored results as they are.
    """
    numbers = json.loads(json.dumps(departures(experiment)), parse_int=float)  # so that 0 and 0.0 have one name
    content = json.dumps([numbers, data.load(experiment.data).fingerprint], sort_keys=True)
    return f"{hashlib.sha256(content.encode()).hexdigest()[:16]}-{code_version()}"
