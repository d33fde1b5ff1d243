"""Mistakes of programs as data: reads ``mistakes.yml``, whose head explains the format, and makes them."""

from operator import attrgetter
from pathlib import Path

from workbook.runs.experiment import departures, make
from workbook.runs.profiles import profiled
from workbook.runs.yamlfile import load_yaml

LARGEST = 10_000  # images of a minibatch; the smallest split has as many to train on
MISTAKES = Path(__file__).with_name("mistakes.yml")

#: what a mistake may do with the value of a field
OPERATIONS = {
    "set": lambda value, new: new,
    "times": lambda value, factor: _number(value, lambda x: x * factor),
    "plus": lambda value, amount: _number(value, lambda x: x + amount),
    "power": lambda value, exponent: _number(value, lambda x: x**exponent),
    "swap": lambda value, pair: {pair[0]: pair[1], pair[1]: pair[0]}.get(value, value),
}


def _number(value, change):
    """Return the changed number, a whole one where it was whole; None and names as they are."""
    if not isinstance(value, (int, float)):
        return value
    return round(change(value)) if isinstance(value, int) else change(value)


def load(path=MISTAKES):
    """Return the mistakes of a file, a list of dicts. Raises ValueError, one line with the place in the file."""
    mistakes, line_of = load_yaml(path)
    known = ("name", "sentence", "read", "where", *OPERATIONS)
    for number, mistake in enumerate(mistakes):
        for name in mistake:
            if name not in known:
                raise ValueError(f"{path}, line {line_of((number, name))}: {name} is none of {', '.join(known)}")
    return mistakes


def applied(mistake, experiment, profile="full"):
    """Return the Experiment with a mistake made, as a profile runs it; where the mistake cannot be made, without it."""
    stated = profiled(experiment, profile)
    for name, values in mistake.get("where", {}).items():
        if attrgetter(name)(experiment) not in (values if isinstance(values, list) else [values]):
            return stated
    changes = {
        name: change(attrgetter(name)(experiment), amount)
        for operation, change in OPERATIONS.items()
        for name, amount in mistake.get(operation, {}).items()
    }
    try:
        changed = profiled(make(departures(experiment) | changes), profile)
    except ValueError:  # such as less than one cycle, or a minibatch of one image
        return stated
    possible = changed.batch_size <= (changed.n_train or LARGEST)
    return changed if possible else stated
