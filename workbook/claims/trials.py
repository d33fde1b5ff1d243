"""The trials of a search: which values a report tried, or draws of ours where it does not give its own.

``trials`` in a claim file is one of

- a list of mappings, such as ``{l2: [0, 0.001], eta_max: {log_uniform: [0.01, 0.1], draws: 10}}``: every combination of
  the listed values, each with draws of its own. Beside it ``trained: 4`` trains only the first four draws of each,
  ``trained: 0.3`` only three of ten;
- ``winners``: the values that the report gives for its best trials, and nothing else;
- a list of names (patterns) of other experiments, whose networks are the trials.

The values that the report gives for its best trials are always tried too, for these are judged by their scores. With
``carried: true`` a trial begins with the weights of the one before it in its combination, as in 001's program.
"""

import math
import zlib
from fnmatch import filter as matching
from itertools import product

import numpy as np

from workbook.runs.experiment import Experiment, make
from workbook.runs.fields import require
from workbook.runs.search import MOST, log_uniform


def groups(name, settings, seed=0):
    """Return the trials of a search as lists of {field: value}, one for each combination of listed values."""
    found = []
    for entry in settings["trials"]:
        drawn = {field: how for field, how in entry.items() if isinstance(how, dict)}
        listed = {field: how if isinstance(how, list) else [how] for field, how in entry.items() if field not in drawn}
        draws = [how["draws"] for how in drawn.values()]
        require(all(type(n) is int and 0 < n <= MOST for n in draws), "draws", draws, f"integers from 1 to {MOST}")
        many = math.prod([*map(len, listed.values()), max(draws, default=1)])
        require(many <= MOST, "trials", many, f"at most {MOST}")
        for values in product(*listed.values()):
            fixed = dict(zip(listed, values, strict=True))
            same = sum(group[0].items() >= fixed.items() for group in found)  # a combination may stand there twice
            rng = np.random.default_rng([seed, zlib.crc32(f"{name} {fixed} {same}".encode())])
            columns = [log_uniform(*how["log_uniform"], how["draws"], rng) for how in drawn.values()]
            found.append(
                [fixed | dict(zip(drawn, each, strict=True)) for each in zip(*columns, strict=True)] or [fixed]
            )
    return found


def trained(name, settings, seed=0):
    """Return ``groups`` without the trials that are left out because they would cost too much."""
    part, found = settings.get("trained", 1.0), groups(name, settings, seed)
    return [group[: part if isinstance(part, int) else math.ceil(part * len(group))] for group in found]


def check(name, settings, numbers, names):
    """Raise ValueError unless the trials of a search can be made.

    numbers: {quantity's name: Number}, the winners; names: of the other experiments.
    """
    trials = settings.get("trials")
    if trials == "winners":
        if not winners(numbers):
            raise ValueError("trials = 'winners', but the report gives no values such as rank_1_lambda")
    elif isinstance(trials, list) and trials and all(isinstance(each, str) for each in trials):
        for pattern in trials:
            if not matching(names, pattern):
                raise ValueError(f"trials: no experiment is called {pattern}, there are {', '.join(names)}")
    elif isinstance(trials, list) and trials and all(isinstance(each, dict) for each in trials):
        try:
            common = {field: settings[field] for field in settings if field in Experiment.__dataclass_fields__}
            for fields in (trial for group in groups(name, settings) for trial in group):
                make(common | fields)
        except (KeyError, TypeError) as error:
            form = "{field: [values]} or {field: {log_uniform: [low, high], draws: n}}"
            raise ValueError(f"trials: {error!r}; write a list of {form}") from None
    else:
        raise ValueError(f"trials = {trials!r}, allowed: a list of {{field: [values]}}, a list of names, winners")


def setting(name, settings, what):
    """Return a setting that a report prints: a field of Experiment, "layers", "trials" (how many), "range 0" ..."""
    if what == "trials":
        return sum(map(len, groups(name, settings)))
    key, _, index = what.partition(" ")
    if index or key in ("threshold",):
        return float(settings[key][int(index)] if index else settings[key])
    fields = Experiment.__dataclass_fields__
    experiment = make({field: value for field, value in settings.items() if field in fields})
    return len(experiment.hidden) + 1 if what == "layers" else getattr(experiment, what)


def winners(numbers):
    """Return {rank: {field: Number}} of the trials that the report names as its best."""
    found = {}
    for number in numbers.values():
        if number.quantity.kind == "winner":
            how = number.quantity.how
            found.setdefault(int(how["rank"]), {})[how["winner"]] = number
    return found
