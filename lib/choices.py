"""One way to refuse a name: say what is allowed, and what was probably meant."""

import difflib


def check_choice(what, value, allowed):
    """Raise ValueError, naming the nearest allowed value, unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        near = difflib.get_close_matches(str(value), map(str, allowed), 1, cutoff=0.4)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"{what} = {value!r}{hint}, allowed: {', '.join(map(str, allowed))}")
