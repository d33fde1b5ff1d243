"""Fields of frozen dataclasses that know what they may be, so that a wrong setting is refused at once, by its name."""

import math
from dataclasses import field, fields

from lib.choices import check_choice


def setting(default, kind, low=0, below=math.inf):
    """Return a dataclass field that ``settle`` checks; None is allowed where it is the default.

    kind: bool, str, int, float, or a tuple of names, which may hold float too; [kind] for a list, {kind: kind} for
    pairs. Numbers, also those in lists and pairs, must be at least ``low`` and below ``below``.
    """
    return field(default=default, metadata={"rule": (kind, low, below)})


def build(cls, what, settings):
    """Return ``cls(**settings)``. Raises ValueError for anything but a dict of the fields of the dataclass ``cls``."""
    if not isinstance(settings, dict):
        raise ValueError(f"{what} = {settings!r}, allowed: names with values")
    for name in settings:
        check_choice(what, name, [f.name for f in fields(cls) if f.init])
    return cls(**settings)


def settle(settings, prefix=""):
    """Turn lists and dicts into tuples and check the values; for the ``__post_init__`` of a frozen dataclass.

    prefix: comes before the names in messages. Raises ValueError, which names field, value and what is allowed.
    """
    for f in fields(settings):
        if "rule" in f.metadata:
            value = _tuples(getattr(settings, f.name))
            object.__setattr__(settings, f.name, value)
            if value is not None or f.default is not None:
                _check(prefix + f.name, value, *f.metadata["rule"])


def _tuples(value):
    if isinstance(value, dict):
        value = value.items()
    elif not isinstance(value, (list, tuple)):
        return value
    return tuple(map(_tuples, value))


def _check(name, value, kind, low, below):
    """Raise ValueError unless the value is of its kind; the arguments are those of ``setting``."""
    if isinstance(kind, dict):
        ((first, second),) = kind.items()
        _require(isinstance(value, tuple), name, value, "pairs")
        for pair in value:
            _require(isinstance(pair, tuple) and len(pair) == 2, name, value, "pairs")
            _check(name, pair[0], first, low, below)
            _check(name, pair[1], second, low, below)
    elif isinstance(kind, list):
        _require(isinstance(value, tuple), name, value, "a list")
        for item in value:
            _check(name, item, kind[0], low, below)
    elif isinstance(kind, tuple) and (isinstance(value, str) or float not in kind):
        check_choice(name, value, [each if isinstance(each, str) else "a number" for each in kind])
    elif kind is bool:
        _require(isinstance(value, bool), name, value, "true or false")
    elif kind is str:
        _require(isinstance(value, str), name, value, "a name")
    else:
        limits = f"of at least {low:g}" + (f" and below {below:g}" if below < math.inf else "")
        allowed = f"an integer {limits}" if kind is int else f"a number {limits}"
        number = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
        _require(number and low <= value < below, name, value, allowed)


def _require(fits, name, value, allowed):
    if not fits:
        raise ValueError(f"{name} = {value!r}, allowed: {allowed}")
