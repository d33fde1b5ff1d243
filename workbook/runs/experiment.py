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
from workbook.runs.fields import amounts, build, integer, integers, name_or_number, number, one_of, setting, settle
from workbook.runs.oddities import Oddities

#: hidden layers of the course's nine-layer network, as many weights as (50, 50)
NINE_LAYERS = (50, 30, 20, 20, 10, 10, 10, 10)

#: fields in which the experiments of one pass may differ: they become the trial axis (and so do the ``stages`` of odd)
TRIAL_FIELDS = ("seed", "init", "bias_std", "l2", "eta_min", "eta_max")

#: the learning rate schedules, each with the options that it needs
SCHEDULES = {"cyclical": (), "constant": (), "exponential": ("factor", "every"), "linear": ()}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that determines a run and nothing else. The defaults are the setting of the course's assignment 3.

    Lists and dicts are turned into tuples. Raises ValueError, which names the field, its value and what is allowed.
    """

    # the data
    data: str = setting("cifar10", one_of(("cifar10", "standin")))
    split: str = setting("45k5k_tail", one_of(SPLITS))  # see lib.nn.splits.split
    normalisation: str = setting("zscore_train", one_of(NORMALISATIONS))  # see lib.nn.splits.split
    n_train: int | None = setting(None, integer(2))  # training images, None for all of the split
    n_validation: int | None = setting(None, integer(1))  # None for all of the split (fewer where n_train is given)
    augment: tuple[tuple[str, float], ...] = setting((), amounts(AUGMENTATIONS))  # e.g. {"flip": 0.5, "shift": 3}
    # the network
    hidden: tuple[int, ...] = setting((50, 50), integers(1))  # units of each hidden layer
    batch_norm: bool = False  # in every hidden layer
    init: str | float = setting("he", name_or_number(INITIALISERS))  # a number: one standard deviation for all layers
    seed: int = setting(0, integer(0))  # of the initial weights
    l2: float = setting(0.005, number())  # lambda in J = loss + lambda * sum of squared weights
    # its training
    batch_size: int = setting(100, integer(2))  # images
    schedule: str = setting("cyclical", one_of(SCHEDULES))  # see lib.nn.schedules
    cycles: int = setting(2, integer(1))  # cyclical
    n_s: int = setting(2250, integer(1))  # cyclical: updates in half a cycle
    eta_min: float = setting(1e-5, number())  # cyclical
    eta_max: float = setting(1e-1, number(above=0))  # where the other schedules start
    updates: int | None = setting(None, integer(1))  # None for 2 n_s cycles (cyclical); the other schedules need it
    schedule_options: tuple[tuple[str, float], ...] = setting((), amounts())  # {"factor": 0.95, "every": 450 updates}
    optimizer: str = setting("sgd", one_of(OPTIMIZERS))  # see lib.nn.optimizers
    optimizer_options: tuple[tuple[str, float], ...] = setting((), amounts())  # the optimizer's keywords: {"rho": 0.9}
    order_seed: int = setting(0, integer(0))  # of the order of minibatches, dropout, augmentation and a random split
    # the bonus exercises
    loss: str = setting("softmax", one_of(LOSSES))
    drop_rate: float = setting(0.0, number(below=1))  # probability that a hidden unit is set to 0
    bias_std: float = setting(0.0, number())  # standard deviation of the initial biases
    shuffle: bool = True  # the training images, anew in each epoch
    bn_after_relu: bool = False  # else before
    bn_decay: float = setting(0.9, number(below=1))  # weight of the old value in the running averages
    bn_eps: float = setting(1e-8, number())  # added to the variance
    # what is looked at
    log_every: int = setting(450, integer(1))  # updates between two points of the curves
    sample: int = setting(5_000, integer(1))  # training images for the training curves; final scores are taken on all
    keep_best: bool = False  # final scores of the weights with the best logged validation accuracy, not of the last
    keep_weights: bool = False  # store the first layer's weights with the result
    test: bool = True  # score the final network on the test set; off in searches
    # what only single reports did
    odd: Oddities = field(default_factory=Oddities)

    def __post_init__(self):
        if not isinstance(self.odd, Oddities):
            object.__setattr__(self, "odd", build(Oddities, "field of odd", self.odd))
        settle(self)
        if self.schedule != "cyclical" and self.updates is None:
            raise ValueError(f"updates = None, allowed with schedule {self.schedule!r}: an integer of at least 1")
        if self.schedule == "cyclical" and self.updates is not None:
            raise ValueError(f"updates = {self.updates}, allowed with schedule 'cyclical': None, its length is cycles")
        known = SCHEDULES[self.schedule]
        self._check_options("schedule", known)
        self._check_options("optimizer", list(signature(OPTIMIZERS[self.optimizer]).parameters))
        if len(self.schedule_options) < len(known):
            raise ValueError(f"schedule_options = {self.schedule_options}, needed: {', '.join(known)}")

    def _check_options(self, what, known):
        """Sort the options of the schedule or of the optimizer. Raises ValueError for one that is not known."""
        options = dict(getattr(self, f"{what}_options"))
        for name in options:
            check_choice(f"{what}_options of {getattr(self, what)!r}", name, known or ["none"])
        object.__setattr__(self, f"{what}_options", tuple(sorted(options.items())))

    @property
    def total_updates(self):
        """Number of updates of the whole run."""
        return (self.updates or 2 * self.n_s * self.cycles) * max(1, len(self.odd.stages))

    def etas(self):
        """Return the learning rate of every update, (updates,) float64."""
        return rates(self)


def make(settings):
    """Return the Experiment of {field: value} as a file has it, with {"odd": {field: value}} for its oddities.

    Fields of ``odd``, ``optimizer_options`` and ``schedule_options`` may also be named one by one, such as
    "odd.l2_half" or "optimizer_options.rho". Raises ValueError, with the nearest name for one that is unknown.
    """
    whole = {}
    for name, value in settings.items():
        field_name, _, inner = name.partition(".")
        if inner:
            check_choice("field", field_name, ("odd", "optimizer_options", "schedule_options"))
            value = {inner: value}
        if isinstance(value, dict):
            value = whole.get(field_name, {}) | value
        whole[field_name] = value
    return build(Experiment, "field", whole)


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
