"""What a student calls on a function of hers: what is wrong with it, a hint, and in the end the solution."""

import html
import inspect
import textwrap
from pathlib import Path

from lib.choices import check_choice

from .costs import DEEP, ONE_LAYER, SOFTMAX
from .diagnosis import diagnose
from .draws import DROPOUT, HE, LAMBDAS
from .layers import AFFINE, BN_BACKWARD, BN_FORWARD, RELU
from .steps import DECAY, MINIBATCHES, MOMENTUM, RATE

ROOT = Path(__file__).parents[2]
EXERCISES = {
    exercise.name: exercise
    for exercise in [
        *(MINIBATCHES, RELU, AFFINE, SOFTMAX, ONE_LAYER, MOMENTUM, RATE, BN_FORWARD, BN_BACKWARD),
        *(DEEP, LAMBDAS, HE, DROPOUT, DECAY),
    ]
}

_hinted = set()  # state of the kernel: exercises whose hint has been shown, or that are solved


def check(function, exercise=None, *, solution=False):
    """Print whether a function is right, and if not, what kind of mistake it makes; the first time with a hint.

    function: the student's; its name says which exercise it is for. exercise: that name, for a function called
    otherwise. solution=True shows lib's own source instead, once the hint has been seen; before that it shows the hint.
    Raises ValueError for a name that is no exercise.
    """
    if not callable(function):
        print("check takes the function itself: check(relu_backward), not check(relu_backward(...)).")
        return
    name = exercise or getattr(function, "__name__", "")
    check_choice("exercise", name, EXERCISES)
    exercise = EXERCISES[name]
    if solution and name in _hinted:
        _show_solution(exercise)
    elif solution:
        _give_hint(exercise)
        print("Try once more with this. Asked again, check shows the solution.")
    elif findings := diagnose(exercise, function):
        _tell(exercise, findings)
    else:
        _hinted.add(name)
        print(f"Right! {name} agrees with lib in every case: {'; '.join(exercise.cases())}.")
        print(f"check({name}, solution=True) shows how lib does it.")


def _tell(exercise, findings):
    """Print what is wrong with a function."""
    if findings[0].kind == "unfinished":
        print(f"{exercise.name} is still to be written. {findings[0].sentence}")
        return
    print(f"Not right yet: {exercise.call}")
    for finding in findings:
        print(_wrapped(f"* {finding.kind[0].upper()}{finding.kind[1:]}. {finding.sentence}"))
    _give_hint(exercise)


def _give_hint(exercise):
    """Print the hint of an exercise the first time, and from then on how to see the solution."""
    if exercise.name not in _hinted:
        _hinted.add(exercise.name)
        print(_wrapped(f"Hint: {exercise.hint}"))
    else:
        print(f"If you are stuck: check({exercise.name}, solution=True)")


def _wrapped(text):
    return textwrap.fill(text, 110, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _show_solution(exercise):
    places, parts = zip(*map(_source, exercise.sources), strict=True)
    text = "\n".join(parts) + (f"\n{_wrapped(exercise.note)}\n" if exercise.note else "")
    _show(text, f"The solution of {exercise.name} is in {', '.join(places)}.")


def _source(thing):
    """Return where something of lib is defined, and its source below that place."""
    lines, start = inspect.getsourcelines(thing)
    place = f"{Path(inspect.getsourcefile(thing)).relative_to(ROOT)}, line {start}"
    return place, f"# {place}\n{textwrap.dedent(''.join(lines))}"


def _show(text, instead):
    """Show a text for as long as the notebook is open: a widget's text is not saved. Elsewhere, print it."""
    from IPython import get_ipython
    from IPython.display import display

    if not hasattr(get_ipython(), "kernel"):
        print(text)
        return
    from ipywidgets import HTML  # comes with jupyter; here, because only this needs it

    view = {"version_major": 2, "version_minor": 0, "model_id": HTML(f"<pre>{html.escape(text)}</pre>").model_id}
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": instead}, raw=True)
