"""What is wrong with a student's function? It is run on all cases; the known mistake with the same numbers is named."""

import inspect
import linecache
import traceback
from dataclasses import dataclass

import numpy as np

from .exercise import Unfinished, Unfit

#: what helps with an error message of Python's or NumPy's, by a part of the message
ADVICE = {
    "truth value of an array": "A plain `if` decides once, not for every entry: use np.where, or a formula without if.",
    "matmul": "Which of the two has to be transposed (.T), so that the inner sizes agree?",
    "not aligned": "Which of the two has to be transposed (.T), so that the inner sizes agree?",
    "broadcast": "Sizes are compared from the last axis: (n, d) goes with (d,) and with (n, 1), but not with (n,).",
    "is not defined": "Is it misspelt, or defined in a cell that has not been run?",
}


@dataclass(frozen=True)
class Finding:
    """What is wrong: its kind in a few words, and a sentence."""

    kind: str
    sentence: str


def diagnose(exercise, function):
    """Return a list of findings about a student's function, empty if all is right."""
    try:
        inspect.signature(function).bind(*exercise.parameters)
    except TypeError:
        return [Finding("other arguments", f"It is called as {exercise.call}, with these arguments in this order.")]
    except ValueError:  # a built-in function without a signature
        pass
    right = {label: exercise.outcome(exercise.reference, case) for label, case in exercise.cases().items()}
    theirs, changed, errors = {}, {}, {}
    for label, arguments in exercise.cases().items():
        try:
            theirs[label] = exercise.outcome(function, arguments)
        except Unfit as error:
            kind = "unfinished" if isinstance(error, Unfinished) else "not what was asked for"
            return [Finding(kind, str(error))]
        except Exception as error:
            theirs[label], errors[label] = None, _described(error, function, label, exercise, arguments)
            continue
        if theirs[label].keys() != right[label].keys():
            wanted, given = ", ".join(right[label]), ", ".join(theirs[label])
            return [Finding("not what was asked for", f"It returns {given} instead of {wanted} (case: {label}).")]
        changed |= dict.fromkeys(_changed(exercise, label, arguments))
    findings = [Finding("changed its input in place", IN_PLACE.format(name)) for name in changed]
    return findings + (_raised(exercise, theirs, errors) if errors else _differences(exercise, theirs, right))


IN_PLACE = (
    "{0} is not the same after the call as before. The caller may need it again: write A = A - B, which makes a new "
    "array, instead of A -= B or A[...] = B, or begin with a copy."
)


def _changed(exercise, label, used):
    """Return the names of the arguments that a call has changed."""
    pairs = zip(exercise.parameters, used, exercise.cases()[label], strict=True)
    return [name for name, after, before in pairs if name != "rng" and not _equal(after, before)]


def _equal(a, b):
    if isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return np.array_equal(a, b)


def _described(error, function, label, exercise, arguments):
    """Return an exception of the student's code as one sentence, with the line of hers that raised it."""
    message = " ".join(str(error).split())
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = f", in line {lines[-1]}: `{linecache.getline(file, lines[-1]).strip()}`" if lines else ""
    advice = next((text for part, text in ADVICE.items() if part in message), "")
    shapes = [f"{name} {value.shape}" for name, value in zip(exercise.parameters, arguments, strict=True)
              if isinstance(value, np.ndarray)]  # fmt: skip
    given = f" The shapes are {', '.join(shapes)}." if shapes else ""
    return f"{type(error).__name__}: {message}{where} (case: {label}).{given} {advice}".rstrip()


def _raised(exercise, theirs, errors):
    """Return the finding about a function that raises errors in some cases, a known mistake or the first error."""
    for mistake in exercise.mistakes:
        if len(errors) < len(theirs) and _explains(exercise, mistake, theirs):
            return [Finding(mistake.kind, mistake.sentence)]
    return [Finding("raises an error", next(iter(errors.values())))]


def _explains(exercise, mistake, theirs, names=None):
    """Return whether a mistake gives the same numbers as the student's function, in every case, for these names."""
    for label, outcome in theirs.items():
        try:
            wrong = exercise.outcome(mistake.function, exercise.cases()[label])
        except (ValueError, Unfit):
            wrong = None
        if (wrong is None) != (outcome is None):
            return False
        shared = () if outcome is None else names or outcome
        if not all(_same(outcome[what], wrong[what], exercise.tolerance) for what in shared if what in outcome):
            return False
    return True


def _differences(exercise, theirs, right):
    """Return a finding for each kind of difference from the right outcomes, which are {label: {what: array}}."""
    wrong = {}
    for label, outcome in right.items():
        for what, wanted in outcome.items():
            if not _same(theirs[label][what], wanted, exercise.tolerance):
                wrong.setdefault(what, []).append(label)
    if not wrong:
        return _types(exercise, theirs, right)
    for label, kind, sentence in exercise.edges:
        if all(labels == [label] for labels in wrong.values()):
            return [Finding(kind, sentence)]

    def known(names=None):
        return next((each for each in exercise.mistakes if _explains(exercise, each, theirs, names)), None)

    if exercise.tolerance is not None:
        mistake = known()
        return [Finding(mistake.kind, mistake.sentence) if mistake else _measured(theirs, right, wrong)]
    if mistake := known(wrong):
        return [Finding(mistake.kind, f"{_listed(wrong)}: {mistake.sentence}")]
    findings = []
    for what, labels in wrong.items():
        mistake = known([what])
        if mistake:
            findings.append(Finding(mistake.kind, f"{what}: {mistake.sentence}"))
        else:
            findings.append(_compared(exercise, what, labels, theirs, right))
    return findings


def _listed(names):
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _same(a, b, tolerance=None):
    """Return whether two arrays have one shape and the same numbers: up to rounding, or up to a tolerance."""
    if a.shape != b.shape:
        return False
    if tolerance is not None:
        return bool(np.allclose(a, b, rtol=0, atol=tolerance, equal_nan=True))
    single = np.float32 in (a.dtype, b.dtype)
    relative, absolute = (1e-3, 1e-5) if single else (1e-6, 1e-9)
    return bool(np.allclose(a, b, rtol=relative, atol=absolute, equal_nan=True))


def _types(exercise, theirs, right):
    """Return a finding for arrays that are right in value but not in their type."""
    for label, outcome in right.items():
        for what, array in outcome.items():
            given = theirs[label][what].dtype
            if exercise.tolerance is None and array.ndim and array.dtype == np.float32 != given:
                return [Finding("wrong dtype", f"{what} has the right values, but is {given} where all that goes in is "
                                "float32. Look for an array that you make in float64, as np.eye, np.zeros and np.ones "
                                "do: .astype(X.dtype).")]  # fmt: skip
    return []


def _measured(theirs, right, wrong):
    """Return the finding about an answer that is random and matches no known mistake: what was measured of it."""
    parts = []
    for what, (label, *_) in wrong.items():
        given, wanted = theirs[label][what], right[label][what]
        if wanted.dtype == bool:
            parts.append(f"{what}: {'yes' if given else 'no'}, and it should be {'yes' if wanted else 'no'}")
        else:
            parts.append(f"{what}: {float(given):.4g}, and it should be {float(wanted):.4g} (case: {label})")
    return Finding("different", f"{'; '.join(parts)}.")


def _compared(exercise, what, labels, theirs, right):
    """Return the finding about one array that matches no known mistake."""
    label = labels[0]
    given, wanted = theirs[label][what], right[label][what]
    case = f"(case: {label})"
    if all(_same(theirs[each][what].T, right[each][what]) for each in labels):
        return Finding("transposed", f"{what} is right but transposed: {given.shape} instead of {wanted.shape} {case}.")
    for other, array in right[label].items():
        if other != what and _same(given, array):
            return Finding("in another order", f"{what} is what {other} should be.")
    if given.shape != wanted.shape:
        if given.size == wanted.size and _same(given.ravel(), wanted.ravel()):
            return Finding("right values, wrong shape", f"{what} has shape {given.shape}, not {wanted.shape}.")
        return Finding("wrong shape", f"{what} has shape {given.shape}, and should have {wanted.shape} {case}.")
    if not np.isfinite(given).all():
        return Finding("not finite", f"{what} has NaN or infinite entries {case}. Is something divided by 0, or too "
                       "large for exp?")  # fmt: skip
    if finding := _factor(exercise, what, theirs, right):
        return finding
    place = np.unravel_index(np.abs(given.astype(float) - wanted).argmax(), wanted.shape)
    at = f"[{', '.join(map(str, place))}]" if place else ""
    return Finding("different", f"{what}{at} is {given[place]:.6g}, and should be {wanted[place]:.6g} {case}.")


def _factor(exercise, what, theirs, right):
    """Return the finding that an array is a multiple of the right one in every case, or None."""
    factors, images = [], []
    for label, case in exercise.cases().items():
        if what not in right[label]:
            continue
        given, wanted = theirs[label][what], right[label][what]
        size = np.sum(wanted * wanted, dtype=float)
        if given.shape != wanted.shape or not size:
            return None
        factors.append(float(np.sum(given * wanted, dtype=float) / size))
        images.append(len(case[0]) if np.ndim(case[0]) == 2 else 1)
        if not factors[-1] or not _same(given / factors[-1], wanted):
            return None
    if np.allclose(factors, images, rtol=1e-3):
        return Finding("not averaged over n", f"{what} is n times too large, n being the number of images: a mean over "
                       "the images is missing.")  # fmt: skip
    if np.allclose(factors, 1 / np.array(images), rtol=1e-3):
        return Finding("averaged twice", f"{what} is n times too small, n being the number of images. The gradient "
                       "that arrives has been divided by n already; add up, and do not take a mean again.")  # fmt: skip
    if not np.allclose(factors, factors[0], rtol=1e-3):
        return None
    if abs(factors[0] + 1) < 1e-3:
        return Finding("wrong sign", f"{what} is right up to its sign.")
    return Finding("a factor", f"{what} is right up to a factor: it is {factors[0]:.4g} times what it should be.")
