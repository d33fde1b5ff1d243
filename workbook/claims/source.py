"""A YAML file while it is read: whatever is wrong with it becomes one line with its place."""

from contextlib import contextmanager
from pathlib import Path

from lib.choices import check_choice
from workbook.runs.yamlfile import load_yaml

WRONG = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # what a wrong value may raise


class ClaimError(ValueError):
    """A claim file must be changed; the message is one line: file, line, what is wrong, how to mend it."""


class Source:
    """A claim file while it is read: its content, and the line of everything in it."""

    def __init__(self, path):
        self.path = path
        if Path(path).suffix != ".yml":
            raise ClaimError(f"{path}: the name of a claim file must end in .yml")
        try:
            self.content, self.line_of = load_yaml(path)
        except ValueError as error:
            raise ClaimError(error) from None

    @contextmanager
    def at(self, *keys):
        """Give a ValueError that is raised inside the line of these keys."""
        try:
            yield
        except ClaimError:
            raise
        except WRONG as error:
            raise ClaimError(f"{self.path}:{self.line_of(keys)}: {' '.join(str(error).split())}") from None

    def table(self, keys, value, allowed=None, what="field"):
        """Return the mapping at these keys, empty where there is nothing. Raises ClaimError for an unknown key."""
        with self.at(*keys):
            if not isinstance(value, dict | None):
                raise ValueError(f"{keys[-1] if keys else 'the file'} must hold lines like name: value, got {value!r}")
        for name in value or () if allowed else ():
            with self.at(*keys, name):
                check_choice(what, name, allowed)
        return {str(name): each for name, each in (value or {}).items()}

    def entries(self, name):
        """Yield (keys, mapping) of a list of mappings in the file."""
        value = self.content.get(name) or []
        with self.at(name):
            if not isinstance(value, list):
                raise ValueError(f"{name} must be a list, each entry beginning with a dash")
        yield from (((name, index), self.table((name, index), entry)) for index, entry in enumerate(value))
