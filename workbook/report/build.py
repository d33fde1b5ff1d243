"""Executed notebooks -> PDF and HTML, and every figure as a file."""

import base64
from pathlib import Path

import nbformat
from traitlets.config import Config

from workbook.runs import store

from .exporter import ReportHTMLExporter, ReportPDFExporter
from .notebook import read


def build(notebooks, output, code=False, figures="../figures", lax=False, metadata=None):
    """Make ``<output>.pdf`` and ``<output>.html`` of executed notebooks, in this order, and return the two paths.

    metadata: a file with title, authors and links, ``<output>.yml`` by default; if there is none, those of
    ``reports/report.yml`` are taken. code: whether an appendix lists the notebooks' code. figures: the folder, relative
    to that of the report, to which every figure is written as ``<name>.svg`` and ``<name>.png``. lax: whether
    references to what is not in these notebooks are accepted. No file is replaced before all are made. Raises
    ReportError if a notebook is missing, failed or was not executed, or if a reference, label, formula or file is
    wrong.
    """
    nb, made = merge(notebooks), {}
    config = Config({"ReportExporter": {"code": code, "strict": not lax, "figures": figures}})
    metadata = metadata or f"{output}.yml"
    if Path(metadata).exists():
        config.ReportExporter.metadata_file = metadata
    for exporter in (ReportPDFExporter(config=config), ReportHTMLExporter(config=config)):
        resources = {"metadata": {"path": str(Path(notebooks[0]).parent), "name": Path(output).name}}
        result, _ = exporter.from_notebook_node(nb, resources)
        # not with_suffix: it would cut a name like "report-v1.2"
        made[Path(f"{output}{exporter.file_extension}")] = result if isinstance(result, bytes) else result.encode()
    reports = list(made)
    made |= {Path(output).parent / figures / name: data for name, data in _figures(nb)}
    for path, data in made.items():
        store.write(path, data)
    for path in reports:
        path.touch()  # a file that did not change keeps its date, and make would build it again each time
    return reports


def merge(notebooks):
    """Return one notebook of many; every cell remembers where it is from. Raises ReportError as ``read`` does."""
    merged = nbformat.v4.new_notebook()
    for path in map(Path, notebooks):
        nb, number = read(path), 0
        source = f' source="{nb.metadata.source}"' if "source" in nb.metadata else ""
        start = nbformat.v4.new_markdown_cell(f'::: {{notebook="{path.stem}"{source}}}\n:::')
        for cell in (start, *nb.cells):
            cell.metadata.update(notebook=path.stem, where=f"{path.name}, cell {number}")
            # papermill's own cell is not in the notebook that the reader will open
            number += "injected-parameters" not in cell.metadata.get("tags", [])
            cell.id = f"cell-{len(merged.cells)}"  # ids are unique within one notebook only
            merged.cells.append(cell)
    return merged


def _figures(nb):
    """Yield (file name, bytes) of the captioned figures of a notebook."""
    for output in (output for cell in nb.cells for output in cell.get("outputs", ())):
        label = output.get("metadata", {}).get("report", {}).get("label", "")
        if label.startswith("fig-"):
            name = label.removeprefix("fig-")
            yield f"{name}.svg", output.data["image/svg+xml"].encode()
            yield f"{name}.png", base64.b64decode(output.data["image/png"])
