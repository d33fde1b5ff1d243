"""The exercises at the end of the notebooks: predict a number, build a function, and learn what is wrong with it."""

from .backward import check_backward
from .checking import check
from .prediction import how_far

__all__ = ["check", "check_backward", "how_far"]
