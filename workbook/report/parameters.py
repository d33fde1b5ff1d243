"""The parameters of a notebook: the literals in its first code cell, and whether other values fit in their place."""

import ast
import difflib
import sys
from itertools import pairwise

from .notebook import ReportError, read


def check_parameters(notebook, parameters):
    """Return {name: value} for the notebook in a file, with strings turned into values of the defaults' types.

    Raises ReportError for an unknown name (and suggests the nearest), a value of the wrong type, a number that is too
    low, and as ``defaults``.
    """
    return _checked(notebook, defaults(notebook), parameters)


def check_injected():
    """Raise ReportError, in the kernel of a notebook, if papermill was given what the notebook does not know.

    papermill's own command line only warns of it. It puts a cell of its own behind that of the parameters.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    for known, given in pairwise(shell.user_ns.get("In", ()) if shell else ()):
        if given.startswith("# Parameters\n"):
            _checked("this notebook", _literals(known), _literals(given))


def defaults(notebook):
    """Return {name: default} of a notebook's parameters.

    Raises ReportError unless exactly one cell is tagged ``parameters`` and holds nothing but literals.
    """
    cells = [cell for cell in read(notebook).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ReportError(f"{notebook}: exactly one cell must be tagged parameters, not {len(cells)}")
    try:
        return _literals(cells[0].source)
    except (SyntaxError, ValueError, AttributeError):
        raise ReportError(f"{notebook}: the parameters cell may hold only lines like name = 1e-3") from None


def _literals(source):
    return {line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(source).body}


def _checked(where, known, parameters):
    values = {}
    for name, value in parameters.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"its parameters are {', '.join(known) or 'none'}"
            raise ReportError(f"{where}: no parameter {name}; {hint}")
        try:
            values[name] = _fit(value, known[name])
        except TypeError:
            wanted = type(known[name]).__name__
            message = f"{where}: parameter {name} must be {wanted}, such as {known[name]!r}, not {value!r}"
            raise ReportError(message) from None
        least = min(known[name], 1) if type(known[name]) is int else None  # of repeats 1, of a random seed 0
        if least is not None and values[name] < least:
            raise ReportError(f"{where}: parameter {name} must be at least {least}, not {value!r}")
    return values


def _fit(value, default):
    """Return ``value`` as the type of ``default``; raises TypeError if it does not fit."""
    if isinstance(value, str) and not isinstance(default, str):
        try:
            value = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            if default is not None:
                raise TypeError from None
    if type(default) is float and type(value) is int:
        return float(value)
    if default is not None and type(value) is not type(default):
        raise TypeError
    return value
