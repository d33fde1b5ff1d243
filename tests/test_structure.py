"""The layering: who may import whom."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p
         for package in ("lib", "workbook") for p in (ROOT / package).rglob("*.py")}  # fmt: skip


def imported(path, lazy=True):
    """Return the modules that a file imports; with lazy=False only those that its functions do not wait for."""
    tree = ast.parse(path.read_text())
    found, nodes = set(), ast.walk(tree) if lazy else tree.body
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {
                f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in FILES else node.module or ""
                for a in node.names
            }
    return found


#: what the files of a folder may import of the project, with the exceptions of single files
MAY = {
    "lib.nn": ({"lib.nn"}, {}),
    "lib": ({"lib"}, {}),
    "workbook.runs": (
        {"lib", "workbook.runs"},
        {"workbook.runs.notebooks": {"workbook.report.execute", "workbook.report.parameters"}},
    ),
    "workbook.report": ({"lib", "workbook.runs", "workbook.report"}, {}),
    "workbook.play": ({"lib", "workbook.runs", "workbook.play"}, {}),
    "workbook.claims": ({"lib", "workbook"}, {}),
    "workbook.exercises": ({"lib", "workbook.runs", "workbook.exercises"}, {}),
}


@pytest.mark.parametrize("module", FILES)
def test_imports_go_one_way(module):
    folder = next((folder for folder in MAY if f"{module}.".startswith(f"{folder}.")), None)
    allowed, exceptions = MAY.get(folder, ({"lib", "workbook"}, {}))
    ours = {name for name in imported(FILES[module]) if name.split(".")[0] in ("lib", "workbook")}
    wrong = {name for name in ours if not any(f"{name}.".startswith(f"{one}.") for one in allowed)}
    assert wrong <= exceptions.get(module, set())


def test_the_network_needs_numpy_alone():
    others = {name for module, path in FILES.items() if module.startswith("lib.nn") for name in imported(path)}
    assert {n.split(".")[0] for n in others} - {"lib", "collections", "copy", "functools", "itertools", "types"} == {
        "numpy"
    }


def test_no_import_is_circular():
    TopologicalSorter({m: imported(path, lazy=False) & FILES.keys() for m, path in FILES.items()}).prepare()
