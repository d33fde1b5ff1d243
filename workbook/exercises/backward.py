"""Is a backward of one's own right? Any function of arrays is compared with finite differences."""

import inspect

import numpy as np

from lib.gradcheck import ROUNDING, differences, errors


def check_backward(f, backward, *arrays):
    """Print for each array whether its gradient from ``backward`` is right, and return whether all are.

    f(*arrays) returns an array or a number. backward(grad_out, *arrays) returns the gradients of sum(grad_out * f), one
    for each array, for a single array without a tuple. What else f needs is bound: ``lambda S: loss(S, y)``. Raises
    TypeError or ValueError, which say what to change, for what cannot be checked.
    """
    names, out = _names(f, arrays), _output(f, arrays)
    grad_out, before = np.random.default_rng(0).standard_normal(out.shape), [array.copy() for array in arrays]
    found = backward(grad_out.copy(), *arrays)
    if not all(map(np.array_equal, [*arrays, out], [*before, _output(f, arrays)])):
        raise ValueError("f changes from call to call: give its random numbers a fixed seed, and let neither f nor "
                         "backward change its arrays (write A = A - B instead of A -= B)")  # fmt: skip
    if len(found := found if isinstance(found, (tuple, list)) else [found]) != len(arrays):
        raise ValueError(f"backward returns {len(found)} gradients; needed is one for each of {', '.join(names)}")
    rounding, verdicts = ROUNDING * max(1, np.abs(out).max(initial=0)), []
    for name, array, gradient in zip(names, arrays, map(np.asarray, found), strict=True):
        text, passes = f"the gradient has shape {gradient.shape}, {name} has {array.shape}", False
        if gradient.shape == array.shape:
            theirs = differences(array, lambda: _output(f, arrays), grad_out=grad_out)
            measured = errors(gradient, theirs, rounding)
            text, passes = f"error {measured['norm']:.0e}", measured["passes"]
            if not passes:
                worst = np.unravel_index(np.abs(gradient - theirs).argmax(), array.shape)
                text = f"most of all at {[*map(int, worst)]}: {gradient[worst]:.6g}, and not {theirs[worst]:.6g}"
        print(f"{name}: {'right' if passes else 'wrong'}, {text}")
        verdicts.append(passes)
    return all(verdicts)


def _names(f, arrays):
    """Return the names of the arrays, those of f's arguments if it has as many; raises TypeError for other types."""
    names = list(inspect.signature(f).parameters) if inspect.isfunction(f) else []
    names = names if len(names) == len(arrays) else [f"array {number}" for number, _ in enumerate(arrays, 1)]
    for name, array in zip(names, arrays, strict=True):
        kind = getattr(array, "dtype", type(array).__name__)
        if not isinstance(array, np.ndarray) or kind != np.float64:
            raise TypeError(f"{name} is {kind}, but differences need float64: np.array({name}, np.float64). Labels and "
                            "other integers have no derivative and are bound: lambda S: f(S, y)")  # fmt: skip
    return names


def _output(f, arrays):
    """Return a copy of what f returns; raises TypeError unless that is one array or number, ValueError for shapes."""
    try:
        out = f(*arrays)
    except ValueError as error:
        raise ValueError(f"f fails for shapes {[array.shape for array in arrays]}: {error}") from error
    if out is None or isinstance(out, tuple):
        raise TypeError(f"f must return one array, not {type(out).__name__}; of several, check one: lambda X: f(X)[0]")
    return np.array(out)
