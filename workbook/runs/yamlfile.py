"""Reading YAML files so that a mistake can be told with its line, and nothing that a file says is more than data."""

import re
import stat
from pathlib import Path

import yaml

LARGEST = 100_000  # bytes; the longest file of claims here has 12 000
DEEPEST = 20  # levels of lists and mappings


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes 1e-5 for a string; people, and YAML 1.2, see a number. Dates stay strings."""

    depth = 0

    def compose_node(self, parent, index):
        """Refuse what can make a small file large, and what asks for more than YAML's own types."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            _refuse(event, f"aliases (*{event.anchor}) are not allowed; repeat what they stand for")
        if event.tag and event.tag != "!":
            _refuse(event, f"tags ({event.tag.replace('tag:yaml.org,2002:', '!!')}) are not allowed; leave it out")
        if self.depth == DEEPEST:
            _refuse(event, f"more than {DEEPEST} levels are not allowed")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node, deep=False):
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, ValueError) as error:  # a number of 5000 digits
            _refuse(node, str(error).partition(";")[0])


def _refuse(place, problem):
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if not tag.endswith("timestamp")]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), "-+0123456789")


def load_yaml(path):
    """Return what a YAML file holds, and a function that tells the line of a key in it.

    ``line_of(("experiments", "3L-BN", "numbers"))`` is the line of that key, or of the nearest key above it that there
    is; items of lists count from 0. Raises ValueError, one line "path:line: what", for what is no file, not YAML, too
    large or too deep, has a key twice, an alias or a tag.
    """
    lines = {(): 1}
    try:
        about = Path(path).stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST or Path(path).name.startswith("."):
            raise ValueError(f"a file of at most {LARGEST} bytes is needed, whose name begins with no dot")
        loader = _Loader(Path(path).read_text())
        node = loader.get_single_node()
        _note_lines(node, (), lines)
        content = loader.construct_document(node) if node else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"{path}:{mark.line + 1}: {' '.join((error.problem or error.context).split())}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}:1: {getattr(error, 'strerror', None) or str(error).splitlines()[0]}") from None

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
            _refuse(place, f"{name} is there twice")
        lines[keys] = place.start_mark.line + 1
        _note_lines(value, keys, lines)
