"""The notebooks read well in JupyterLab: equations have numbers, and every link leads somewhere."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
ITEM = re.compile(r'"([a-z0-9-]+)"')


def sources(path, kind):
    return [
        "".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind
    ]


def anchors(path):
    """Return the labels to which a notebook's figures, tables, equations and sections can be linked."""
    text, code = "\n".join(sources(path, "markdown")), "\n".join(sources(path, "code"))
    found = {f"sec-{slug(title)}" for title in re.findall(r"^#+ (.+)$", text, re.M)}
    found |= set(re.findall(r'<a id="(eq-[a-z-]+)"></a>', text))
    for kind in ("fig", "tbl"):  # any string beside a call may be the name
        if "show_figure" in code or "show_table" in code:
            found |= {f"{kind}-{name}" for name in ITEM.findall(code)}
    return found


def slug(title):
    """Return pandoc's identifier of a heading."""
    words = re.sub(r"[^\w\s.-]", "", title.replace("$", "").replace("\\", "").lower()).split()
    return "-".join(words)


@each_notebook
def test_no_reference_is_raw(path):
    for text in sources(path, "markdown"):
        assert not re.search(r"\[@|@(fig|tbl|eq|sec)-", text), text


@each_notebook
def test_equations_are_numbered_in_order_and_can_be_linked(path):
    text = "\n".join(sources(path, "markdown"))
    labels = re.findall(r"\\label\{(.+?)\}", text)
    tagged = re.findall(r"\\tag\{(\d+)\.(\d+)\}\\label\{(.+?)\}", text)
    assert [label for _, _, label in tagged] == labels
    assert [int(number) for _, number, _ in tagged] == list(range(1, len(labels) + 1))
    assert all(int(notebook) == int(path.name[:2]) for notebook, _, _ in tagged)
    assert re.findall(r'<a id="(.+?)"></a>', text) == labels


@each_notebook
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join(sources(path, "markdown"))):
        if target.startswith("http"):
            continue
        file, _, label = target.partition("#")
        where = (path.parent / file) if file else path
        assert where.exists(), f"{path.name}: {target}"
        if label:
            assert label in anchors(where), f"{path.name}: {target}"


def test_sources_are_linked_by_their_address():
    """The report makes a citation of a link whose address is in refs.bib."""
    bibliography = (ROOT / "reports/refs.bib").read_text("utf-8")
    known = {f"https://doi.org/{doi}" for doi in re.findall(r"doi = \{(.+?)\}", bibliography)}
    known |= set(re.findall(r"url = \{(.+?)\}", bibliography))
    for path in NOTEBOOKS:
        for text, address in re.findall(r"\[(\([^\]]+\d{4}\))\]\((http[^)]+)\)", "\n".join(sources(path, "markdown"))):
            assert address in known, f"{path.name}: {text}"
