"""One way to refuse a value: say what is allowed, and what was probably meant."""

import difflib


def check_choice(what, value, allowed):
    """Raise ValueError, naming the nearest allowed value, unless ``value`` is one of ``allowed``."""
    if not isinstance(value, str | bool | int | float | None) or value not in allowed:
        text = shown(value)
        near = difflib.get_close_matches(text.strip("'"), map(str, allowed), 1, cutoff=0.4)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"{what} = {text}{hint}, allowed: {', '.join(map(str, allowed))}")


def shown(value):
    """Return a value as a message shows it: in one line of at most 100 characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of more than 4300 digits, a list in a list in a list ...
        return f"a {type(value).__name__} too large to be shown"
    return text if len(text) <= 100 else text[:97] + "..."
