"""Fields of frozen dataclasses that know what they may be, so that a wrong setting is refused at once, by its name."""

from dataclasses import field, fields

from lib.choices import check_choice, shown

#: what all numbers are below, so that an integer is exact and a float stays finite when it becomes a float32
LIMITS = {int: 2**53, float: 1e30}


def setting(default, kind, low=0, below=None):
    """Return a dataclass field that ``settle`` checks; None is allowed where it is the default.

    kind: bool, str, int, float, or a tuple of names, which may hold float too; [kind] for a list, {kind: kind} for
    pairs. Numbers, also those in lists and pairs, must be at least ``low`` and below ``below``, if not those of LIMITS.
    """
    return field(default=default, metadata={"rule": (kind, low, below)})


def build(cls, what, settings):
    """Return ``cls(**settings)``. Raises ValueError for anything but a dict of the fields of the dataclass ``cls``."""
    if not isinstance(settings, dict):
        raise ValueError(f"{what} = {shown(settings)}, allowed: names with values")
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


def _tuples(value, depth=2):
    """Return lists as tuples; those inside more lists than any field has are left alone, and refused later."""
    if isinstance(value, dict):
        value = tuple(value.items())
    if isinstance(value, list | tuple) and depth:
        return tuple(_tuples(each, depth - 1) for each in value)
    return value


def _check(name, value, kind, low, below):
    """Raise ValueError unless the value is of its kind; the arguments are those of ``setting``."""
    if isinstance(kind, dict):
        ((first, second),) = kind.items()
        require(isinstance(value, tuple), name, value, "pairs")
        for pair in value:
            require(isinstance(pair, tuple) and len(pair) == 2, name, value, "pairs")
            _check(name, pair[0], first, low, below)
            _check(name, pair[1], second, low, below)
    elif isinstance(kind, list):
        require(isinstance(value, tuple), name, value, "a list")
        for item in value:
            _check(name, item, kind[0], low, below)
    elif isinstance(kind, tuple) and (isinstance(value, str) or float not in kind):
        check_choice(name, value, [each if isinstance(each, str) else "a number" for each in kind])
    elif kind is bool:
        require(isinstance(value, bool), name, value, "true or false")
    elif kind is str:
        require(isinstance(value, str), name, value, "a name")
    else:
        kind = int if kind is int else float
        number = isinstance(value, int | float if kind is float else int) and not isinstance(value, bool)
        large = number and value >= LIMITS[kind]
        below = LIMITS[kind] if below is None and large else below
        allowed = f"{'an integer' if kind is int else 'a number'} of at least {low:g}"
        allowed += f" and below {below:g}" if below is not None else ""
        require(number and low <= value and (below is None or value < below), name, value, allowed)


def require(fits, name, value, allowed):
    """Raise ValueError, which names the field, its value and what is allowed, unless the value fits."""
    """Raise ValueError, which names the field, its value and what is allowed, unless the value fits."""
    if not fits:
        raise ValueError(f"{name} = {shown(value)}, allowed: {allowed}")
