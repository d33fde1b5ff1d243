"""YAML files: numbers as people write them, and mistakes with their line."""

import os

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
        ("a: 1\nb: [", ":2: expected the node content"),
        ("a: 1\nb: 2\na: 3", ":3: a is there twice"),
        ("a: {b: 1,\n c: 2, b: 3}", ":2: b is there twice"),
        ("a: 1\n b: 2", ":2: mapping values are not allowed here"),
        ("a: 1\nb: !!python/object:os.system", ":2: tags (!!python/object:os.system) are not allowed"),
        ("a: 1\nb: !!bool abc", ":2: tags (!!bool) are not allowed"),
        ("a: !!timestamp abc", ":1: tags (!!timestamp) are not allowed"),
        ("a: !mine abc", ":1: tags (!mine) are not allowed"),
        ("a: &x [1]\nb: *x", ":2: aliases (*x) are not allowed"),
        ("a: &x [1]\nb: {<<: *x}", ":2: aliases (*x) are not allowed"),
        ("a: 1\nb: " + "[" * 30_000, ":2: more than 20 levels are not allowed"),
        ("\n".join(" " * n + "a:" for n in range(300)), ":20: more than 20 levels are not allowed"),
        ("a: 1\nb: " + "9" * 5000, ":2: Exceeds the limit"),
        ("a: 1\n? [1]\n: 2", ":2: found unhashable key"),
        ("a: [" + "1, " * 50_000 + "1]", ":1: a file of at most 100000 bytes is needed"),
        ("\x07", ":1: unacceptable character"),
        (b"a: \xff", ":1: 'utf-8' codec can't decode"),
        (None, ":1: No such file or directory"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_mistake_is_one_line_with_path_and_line(tmp_path, text, message):
    path = tmp_path / "test.yml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError) as caught:
        load_yaml(path)
    assert str(caught.value).startswith(f"{path}{message}") and "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "dot"])
def test_only_files_with_a_name_are_read(tmp_path, what):
    path = tmp_path / ("..yml" if what == "dot" else "test.yml")
    make = {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda path: path.symlink_to("/dev/zero")}
    make.get(what, lambda path: path.write_text("a: 1"))(path)
    with pytest.raises(ValueError, match="a file of at most 100000 bytes is needed, whose name begins with no dot"):
        load_yaml(path)


def test_a_date_stays_a_text(tmp_path):
    (tmp_path / "test.yml").write_text("a: 2026-99-99\nb: 2026-01-01")
    assert load_yaml(tmp_path / "test.yml")[0] == {"a": "2026-99-99", "b": "2026-01-01"}


def test_an_empty_file_holds_nothing(tmp_path):
    path = tmp_path / "test.yml"
    path.write_text("# nothing\n")
    content, line_of = load_yaml(path)
    assert content is None and line_of(("a",)) == 1
