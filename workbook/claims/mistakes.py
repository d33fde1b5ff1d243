"""Mistakes of programs as data: reads ``mistakes.yml``, whose head explains the format, and makes them."""

from operator import attrgetter
from pathlib import Path

from workbook.claims.quantities import quantity
from workbook.claims.source import Source
from workbook.runs.experiment import Experiment, departures, make
from workbook.runs.profiles import profiled

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
    """Return the mistakes of a file, a list of dicts. Raises ClaimError, one line with the place in the file."""
    source, names = Source(path), []
    for number, mistake in enumerate(source.content):
        mistake = source.table((number,), mistake, ("name", "sentence", "read", "where", *OPERATIONS))
        with source.at(number):
            if not mistake.get("name") or not mistake.get("sentence") or mistake["name"] in names:
                raise ValueError("a mistake needs a sentence and a name of its own")
        names.append(mistake["name"])
        for key in mistake.keys() - {"name", "sentence"}:
            for name, value in source.table((number, key), mistake[key]).items():
                with source.at(number, key, name):
                    _check(key, name, value)
    return source.content


def _check(key, name, value):
    """Raise an error unless there is such a quantity or field, and such a value to which it is set."""
    if key == "read":
        quantity(name), quantity(value)
    elif key == "set":
        make({name: value})
    else:
        attrgetter(name)(Experiment())


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
