"""Fields of frozen dataclasses that know what they may be, so that a wrong setting is refused by its name at once."""

from dataclasses import field, fields

from lib.choices import check_choice


def setting(default, rule):
    """Return a dataclass field. Its rule says what it may be besides None, which is allowed where it is the default."""
    return field(default=default, metadata={"rule": rule})


def build(cls, what, settings):
    """Return ``cls(**settings)``. Raises ValueError for anything but a dict of the fields of the dataclass ``cls``."""
    if not isinstance(settings, dict):
        raise ValueError(f"{what} = {settings!r}, allowed: names with values")
    for name in settings:
        check_choice(what, name, [f.name for f in fields(cls)])
    return cls(**settings)


def settle(settings, prefix=""):
    """Turn lists and dicts, as JSON and YAML have them, into tuples, and check every field that has a rule.

    For the ``__post_init__`` of a frozen dataclass. prefix: comes before the names in messages. Raises ValueError,
    which names field, value and what is allowed.
    """
    for f in fields(settings):
        value = _tuples(getattr(settings, f.name))
        object.__setattr__(settings, f.name, value)
        if f.type is bool:
            _switch(prefix + f.name, value)
        elif "rule" in f.metadata and not (value is None and f.default is None):
            f.metadata["rule"](prefix + f.name, value)


def _tuples(value):
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_tuples, value))
    return value


def rule(allows, description):
    """Return a rule, a function of name and value that raises ValueError unless ``allows(value)``."""

    def check(name, value):
        if not allows(value):
            raise ValueError(f"{name} = {value!r}, allowed: {description}")

    return check


_switch = rule(lambda value: isinstance(value, bool), "true or false")


def one_of(names):
    """Return the rule of a name."""
    return lambda name, value: check_choice(name, value, tuple(names))


def integer(low):
    """Return the rule of an integer of at least ``low``."""
    return rule(lambda value: _is_integer(value, low), f"an integer of at least {low}")


def integers(low):
    """Return the rule of a sequence of integers of at least ``low``."""

    def allows(value):
        return isinstance(value, tuple) and all(_is_integer(each, low) for each in value)

    return rule(allows, f"a list of integers of at least {low}")


def number(low=0, below=1e9, above=None):
    """Return the rule of a finite number of at least ``low``, or above ``above``, and below ``below``."""
    limits = f"above {above}" if above is not None else f"of at least {low}"
    if below < 1e9:
        limits += f" and below {below}"
    return rule(lambda value: _is_number(value, low, below, above), f"a number {limits}")


def name_or_number(names):
    """Return the rule of a name or a positive number."""

    def check(name, value):
        if not _is_number(value, above=0):
            check_choice(name, value, (*names, "a number above 0"))

    return check


def amounts(names=None):
    """Return the rule of names, each with a number of at least 0; any names where none are given."""

    def check(name, value):
        if not _is_pairs(value) or not all(isinstance(each, str) and _is_number(x) for each, x in value):
            raise ValueError(f"{name} = {value!r}, allowed: names, each with a number of at least 0")
        for each, _ in value:
            if names:
                check_choice(name, each, tuple(names))

    return check


def rates_and_penalties():
    """Return the rule of pairs of a positive learning rate and a lambda of at least 0."""

    def allows(value):
        return _is_pairs(value) and all(_is_number(eta, above=0) and _is_number(l2) for eta, l2 in value)

    return rule(allows, "pairs of a learning rate above 0 and a lambda of at least 0")


def _is_integer(value, low):
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _is_number(value, low=0, below=1e9, above=None):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return low <= value < below and (above is None or value > above)


def _is_pairs(value):
    return isinstance(value, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value)
