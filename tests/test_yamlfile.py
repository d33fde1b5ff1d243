"""YAML files: numbers as people write them, and mistakes with their line."""

import pytest

from workbook.runs.yamlfile import load_yaml

TEXT = """\
# settings
l2: [1e-5, 2E+3, -1e2, 1.5e-3, e5, 0x1]
experiments:
  3L-BN:
    stated: {seed: 1,
             hidden: [50]}
    numbers:
      - a
      - b: 2
450: an integer as a key
"""


def test_exponents_without_a_point_are_numbers_and_every_key_has_a_line(tmp_path):
    path = tmp_path / "test.yml"
    path.write_text(TEXT)
    content, line_of = load_yaml(path)
    assert content["l2"] == [1e-5, 2e3, -100, 0.0015, "e5", 1] and content[450] == "an integer as a key"
    where = ("experiments", "3L-BN")
    assert line_of(("l2",)) == 2 and line_of(where) == 4
    assert line_of((*where, "stated", "hidden")) == 6
    assert line_of((*where, "numbers", 1, "b")) == 9
    assert line_of((450,)) == 10
    assert line_of((*where, "assigned", "seed")) == 4, "of the nearest that there is"
    assert line_of(("nothing",)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [", ", line 2: expected the node content"),
        ("a: 1\nb: 2\na: 3", ", line 3: a is there twice"),
        ("a: {b: 1,\n c: 2, b: 3}", ", line 2: b is there twice"),
        ("a: 1\n b: 2", ", line 2: mapping values are not allowed here"),
        ("a: !!python/object:os.system", ", line 1: could not determine a constructor"),
        ("\x07", ": unacceptable character"),
        (b"a: \xff", ": 'utf-8' codec can't decode"),
        (None, ": No such file or directory"),
    ],
)
def test_a_mistake_is_one_line_with_path_and_line(tmp_path, text, message):
    path = tmp_path / "test.yml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError) as caught:
        load_yaml(path)
    assert str(caught.value).startswith(f"{path}{message}") and "\n" not in str(caught.value)


def test_an_empty_file_holds_nothing(tmp_path):
    path = tmp_path / "test.yml"
    path.write_text("# nothing\n")
    content, line_of = load_yaml(path)
    assert content is None and line_of(("a",)) == 1
