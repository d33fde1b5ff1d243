"""What an exercise is: a function to write, inputs to try it on, the right answer, and what commonly goes wrong.

A mistake is a small wrong implementation. To diagnose a wrong answer is to find the one that gives the same numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


class Unfit(Exception):
    """What a student's function returned cannot be compared with anything; the message says why and what to do."""


class Unfinished(Unfit):
    """The function returned nothing."""


@dataclass(frozen=True)
class Mistake:
    """kind: a few words that name it; sentence: what it means, and where to look; function: it, with the mistake."""

    kind: str
    sentence: str
    function: Callable


@dataclass(frozen=True)
class Exercise:
    """A function to write.

    name: that of the function. parameters: of its arguments. returns: names of what it returns. reference: the right
    function, made of lib's own. cases: a function without arguments that returns new inputs, {label: arguments}.
    sources: the objects of lib that are shown as the solution; note: how these differ from what was asked for.
    edges: {label: (kind, sentence)} of cases that only one mistake gets wrong. observe: called with a function and the
    arguments, returns {what: value} to compare instead of what the function returns. tolerance: where the answer is
    random, and observe measures what all right answers have in common: the largest difference that chance makes.
    """

    name: str
    parameters: tuple
    returns: tuple
    reference: Callable
    cases: Callable
    hint: str
    sources: tuple
    mistakes: tuple = ()
    note: str = ""
    edges: tuple = ()
    observe: Callable | None = None
    tolerance: float | None = None

    @property
    def call(self):
        """The function with its parameters, as one writes it."""
        return f"{self.name}({', '.join(self.parameters)})"

    def outcome(self, function, arguments):
        """Return {what: array} of a function for one case. Raises Unfit, and whatever the function raises."""

        def answered(*given):
            answer = function(*given)
            if answer is None:
                raise Unfinished(f"It returns None. Is there a `return {', '.join(self.returns)}` at the end?")
            return answer

        with np.errstate(all="ignore"):
            if self.observe:
                found = self.observe(answered, *arguments)
            else:
                found = named(answered(*arguments), self.returns)
        return {what: array(value, what) for what, value in found.items()}


def named(answer, names):
    """Return {name: part} of a function's answer; raises Unfit unless it has as many parts as there are names."""
    wanted = ", ".join(names)
    if len(names) == 1:
        return {names[0]: answer}
    if not isinstance(answer, (tuple, list)):
        raise Unfit(f"It returns one {type(answer).__name__}, and should return {len(names)} things: {wanted}.")
    if len(answer) != len(names):
        raise Unfit(f"It returns {len(answer)} things, and should return {len(names)}: {wanted}.")
    return dict(zip(names, answer, strict=True))


def array(value, what):
    """Return a number or an array as an array; raises Unfit for anything else."""
    if value is None:
        raise Unfit(f"{what} is None, and should be an array or a number.")
    if isinstance(value, (list, tuple)):
        raise Unfit(f"{what} is a {type(value).__name__}, and should be a NumPy array: `np.array(...)` makes one.")
    made = np.asarray(value)
    if made.dtype.kind not in "biuf":
        raise Unfit(f"{what} is of type {type(value).__name__}, and should be an array of numbers, or a number.")
    return made
