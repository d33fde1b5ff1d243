"""Reading YAML files whose mistakes can be told with their line."""

import re
from pathlib import Path

import yaml


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes 1e-5 for a string; people, and YAML 1.2, see a number."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), "-+0123456789")


def load_yaml(path):
    """Return what a YAML file holds and ``line_of``, which gives the line of anything in it.

    ``line_of(("experiments", "3L-BN", "numbers"))`` is the line of that key; items of lists count from 0. Where there
    is no such key it is the line of the nearest key above it. Raises ValueError, one line with path and line, for a
    file that cannot be read, that is not YAML, or that has a key twice.
    """
    try:
        loader = _Loader(Path(path).read_text())
        node = loader.get_single_node()
        content = None if node is None else loader.construct_document(node)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or error
        raise ValueError(f"{path}{where}: {' '.join(str(what).split())}") from None
    lines = {(): 1}
    for keys, line in _lines(node):
        if keys in lines:
            raise ValueError(f"{path}, line {line}: {keys[-1]} stands here again, first in line {lines[keys]}")
        lines[keys] = line

    def line_of(keys):
        keys = tuple(map(str, keys))
        while keys not in lines:
            keys = keys[:-1]
        return lines[keys]

    return content, line_of


def _lines(node, above=()):
    """Yield (keys, line) of everything below a node."""
    entries = []
    if isinstance(node, yaml.MappingNode):
        entries = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        entries = [(number, value, value) for number, value in enumerate(node.value)]
    for key, place, value in entries:
        here = (*above, str(key))
        yield here, place.start_mark.line + 1
        yield from _lines(value, here)
