"""Reading YAML files so that a mistake can be told with its line."""

import re
from pathlib import Path

import yaml


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes 1e-5 for a string; people, and YAML 1.2, see a number."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), "-+0123456789")


def load_yaml(path):
    """Return what a YAML file holds, and a function that tells the line of a key in it.

    ``line_of(("experiments", "3L-BN", "numbers"))`` is the line of that key, or of the nearest key above it that there
    is; items of lists count from 0. Raises ValueError, one line with path and line, for a file that cannot be read, is
    not YAML, or has a key twice.
    """
    lines = {(): 1}
    try:
        loader = _Loader(Path(path).read_text())
        node = loader.get_single_node()
        _note_lines(node, (), lines)
        content = loader.construct_document(node) if node else None
    except yaml.MarkedYAMLError as error:
        raise ValueError(f"{path}, line {error.problem_mark.line + 1}: {error.problem}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or str(error).splitlines()[0]}") from None

    def line_of(keys):
        keys = tuple(map(str, keys))
        return lines[keys] if keys in lines else line_of(keys[:-1])

    return content, line_of


def _note_lines(node, above, lines):
    """Put the lines of all keys below a node into ``lines``, {keys: line}."""
    entries = []
    if isinstance(node, yaml.MappingNode):
        entries = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        entries = [(number, value, value) for number, value in enumerate(node.value)]
    for name, place, value in entries:
        keys = (*above, str(name))
        if keys in lines:
            raise yaml.MarkedYAMLError(problem=f"{name} is there twice", problem_mark=place.start_mark)
        lines[keys] = place.start_mark.line + 1
        _note_lines(value, keys, lines)
