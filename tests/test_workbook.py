"""The workbook as a whole: the form of its notebooks, its files, and `make all` from a clean copy."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import filled, pages_of

from workbook.report.notebook import ReportError
from workbook.report.parameters import check_parameters

ROOT = Path(__file__).parent.parent
OUTSIDE = ("playground", "start")  # notebooks that are no part of a report
COURSE = sorted(path for path in ROOT.glob("notebooks/*.ipynb") if path.stem not in OUTSIDE)
NOTEBOOKS = COURSE + sorted((ROOT / "notebooks/reproduction").glob("*.ipynb"))
NUMBERED = [path for path in NOTEBOOKS if path.name[0].isdigit()]
CLAIMS = sorted((ROOT / "reports/claims").glob("*.yml"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind, exercises=True):
    """Return the cells of one kind with their sources as one text."""
    every = json.loads(path.read_text("utf-8"))["cells"]
    kept = [cell for cell in every if exercises or "exercise" not in cell["metadata"].get("tags", [])]
    return [cell | {"source": "".join(cell["source"])} for cell in kept if cell["cell_type"] == kind]


def code_lines(path, exercises=True):
    """Return for each code cell its lines that are not empty."""
    return [[line for line in cell["source"].splitlines() if line.strip()] for cell in cells(path, "code", exercises)]


# Notebooks


def test_notebooks_are_named_by_number_and_topic():
    names = [path.name for path in COURSE]
    for name in names:
        assert re.fullmatch(r"(\d\d(-[a-z0-9]+)+|summary|appendix)\.ipynb", name), name
    numbers = [name[:2] for name in names if name[0].isdigit()]
    assert len(set(numbers)) == len(numbers) == 11
    assert {path.stem for path in ROOT.glob("notebooks/reproduction/*.ipynb")} == {"front", "report", "methods"}


@each_notebook
def test_one_cell_of_literal_parameters(path):
    (cell,) = [c for c in cells(path, "code") if "parameters" in c["metadata"].get("tags", [])]
    assert cell["source"] == cells(path, "code")[0]["source"]  # the first code cell
    values = {}
    for line in ast.parse(cell["source"]).body:
        assert isinstance(line, ast.Assign) and len(line.targets) == 1
        values[line.targets[0].id] = ast.literal_eval(line.value)
    assert values["profile"] in ("dry", "quick", "full") and values["data"] == "auto"


@each_notebook
def test_no_outputs_are_committed(path):
    for cell in cells(path, "code"):
        assert not cell["outputs"] and cell["execution_count"] is None
    notebook = json.loads(path.read_text("utf-8"))
    for metadata in (notebook["metadata"], *(cell["metadata"] for cell in notebook["cells"])):
        assert set(metadata) <= {"kernelspec", "language_info", "tags"}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)


@each_notebook
def test_cells_are_short(path):
    """At most 15 lines a cell, 10 on average, imports aside; lint limits the width of code lines."""
    lengths = [sum(not re.match(r"\s*(#|import |from )", line) for line in lines) for lines in code_lines(path)]
    assert max(lengths) <= 15 and sum(lengths) / len(lengths) <= 10
    for cell in cells(path, "markdown"):
        assert all(len(line) <= 120 or line.startswith("|") for line in cell["source"].splitlines())


def test_numbered_notebooks_are_short():
    lengths = {path.stem: sum(map(len, code_lines(path, exercises=False))) for path in NUMBERED}
    assert sum(lengths.values()) <= 900 and max(lengths.values()) <= 130, lengths
    assert sum(length < 80 for length in lengths.values()) > len(lengths) / 2, lengths


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_numbered_notebooks_teach_the_course_only(path):
    """They judge no report, and there is more prose than code."""
    code = "\n".join("\n".join(lines) for lines in code_lines(path))
    assert not re.search(r"observe|keep_effects|claim\(|workbook\.claims", code)
    words = sum(len(cell["source"].split()) for cell in cells(path, "markdown"))
    assert words > 4 * len(code.splitlines())


@each_notebook
def test_notebooks_tell_and_the_library_computes(path):
    """A question or statement as title, prose, no class, at most two small functions."""
    text = [cell["source"] for cell in cells(path, "markdown")]
    if path.stem != "report":  # its title and its prose are computed
        assert text[0].startswith("# ") and any(re.search(r"[a-z]{2,}[^.]*\.(\s|$)", part) for part in text)
    tree = ast.parse("\n".join(cell["source"] for cell in cells(path, "code", exercises=False)))
    kinds = [type(node) for node in ast.walk(tree)]
    assert kinds.count(ast.ClassDef) == 0
    assert kinds.count(ast.FunctionDef) + kinds.count(ast.AsyncFunctionDef) <= 2


@each_notebook
def test_references_read_well_in_jupyterlab(path):
    """Figures, tables, equations and sections are links with a text; tests/test_reading.py has more."""
    for cell in cells(path, "markdown"):
        assert not re.search(r"@(fig|tbl|eq|sec)-", cell["source"]), cell["source"]


@each_notebook
def test_an_unknown_parameter_is_an_error(path):
    with pytest.raises(ReportError, match="no parameter profil; did you mean profile"):
        check_parameters(path, {"profil": "full"})


# Files


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 128:  # no repository, as in an unpacked archive
        pytest.skip(done.stderr.strip())
    return done.stdout.splitlines()


def test_git_sees_the_library_and_not_what_is_built():
    """Many templates of .gitignore hide lib/."""
    ours = ["lib/nn/layers.py", "workbook/report/templates/report/report.typ", "reports/claims/a.yml", ".ci/run"]
    assert git("check-ignore", "--no-index", *ours) == []
    built = ["reports/report.pdf", "reports/results", "reports/build/a.ipynb", "reports/checks/a.csv", "figures/a.svg"]
    assert git("check-ignore", "--no-index", *built) == built


def test_requirements_are_the_same_for_pip_and_conda():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [part["pip"] for part in conda["dependencies"] if isinstance(part, dict)]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert pip == [*wanted, "-e ."]
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in wanted)  # pinned exactly
    assert conda["channels"] == ["conda-forge"] and {"make", "pip"} <= set(conda["dependencies"][:-1])
    (python,) = [part for part in conda["dependencies"] if str(part).startswith("python=")]
    assert tuple(map(int, python[7:].split("."))) >= (3, 11) and project["requires-python"] == ">=3.11"


def test_each_requirement_has_a_reason():
    block = re.search(r"^dependencies = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.S | re.M)[1]
    assert all(re.search(r'",\s+# \w', line) for line in block.splitlines())


def test_make_lists_its_targets():
    text = (ROOT / "Makefile").read_text()
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = set(re.search(r"^\.PHONY: (.*)", text, re.M)[1].split())
    assert phony == set(re.findall(r"^make ([\w-]+) +\S", listed, re.M))
    assert {"help", "env", "report", "lab", "test", "lint", "clean", "distclean"} <= phony


def test_readme_names_what_there_is():
    """Every file of its tree exists, its commands are targets, and no measured time is missing."""
    text = (ROOT / "README.md").read_text("utf-8")
    tree = text.split("## What is where")[1].split("```")[1]
    known = {path.name for path in ROOT.rglob("*") if ".venv" not in path.parts} | {
        "summary",
        "appendix",
        "start",
        "playground",
    }
    for names in re.findall(r"^ *(.*?)(?:  |$)", tree, re.M):
        assert all(name.strip("/") in known for name in re.split(r",? ", names) if name), names
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"(?:`|^)make ([\w-]+)", text, re.M)) <= targets
    assert "TODO" not in text


# The documents


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what git knows or would add, nothing built in it, and how to run make there with this Python."""
    folder = tmp_path_factory.mktemp("checkout") / "copy"
    for name in git("ls-files", "--cached", "--others", "--exclude-standard"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    environment = os.environ | {"PYTHONPATH": str(folder)}  # its lib, not the one installed here
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "SCHEDULER", "CIFAR10_DIR", "PROFILE", "DATA"):
        environment.pop(name, None)

    def make(*arguments):
        command = ["make", "PROFILE=dry", "DATA=standin", f"PY={sys.executable}", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"make {arguments}: {done.stdout}{done.stderr[-1000:]}", pytrace=False)
        return done

    return folder, make, make("all")


def built(folder):
    """Return {path in reports/: time of its last change}."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("reports/**/[!.]*") if path.is_file()}


def test_every_notebook_runs_once(checkout):
    """In the dry profile on the stand-in; report.ipynb once for each file of claims."""
    folder, _, first = checkout
    ran = re.findall(r"^reports/build/(\S+)\.ipynb: [\d.]+ s$", first.stdout, re.M)
    course = [path.stem for path in COURSE]
    repeated = [f"reproduction/{name}" for name in ("front", "methods", *(path.stem for path in CLAIMS))]
    assert sorted(ran) == sorted(course + repeated), first.stdout
    assert re.search(r"^Networks trained: \d+; Wall time: .* Arithmetic: .* Share: \d+ %$", first.stdout, re.M)
    assert not re.search(r"Traceback|RuntimeWarning|DuplicateCellId|make\[", first.stdout + first.stderr), first.stdout
    for name in ran:
        code = cells(folder / f"reports/build/{name}.ipynb", "code")
        assert all(cell["execution_count"] for cell in code)
        given = next(cell["source"] for cell in code if "injected-parameters" in cell["metadata"].get("tags", []))
        assert 'profile = "dry"' in given and 'data = "standin"' in given


@pytest.mark.parametrize("name", ["report", "reproduction"])
def test_documents_are_whole(checkout, name):
    folder, _, _ = checkout
    pdf, html = ((folder / f"reports/{name}.{suffix}").read_bytes() for suffix in ("pdf", "html"))
    assert pdf.startswith(b"%PDF") and pdf.rstrip().endswith(b"%%EOF") and len(pdf) > 100_000
    text = html.decode()
    assert text.rstrip().endswith("</html>") and len(text) > 100_000
    assert re.search(r'class="banner"[^>]*>\s*<p>[^<]*[Ss]tand-in images, not CIFAR-10', text)
    assert "dry profile" in text
    shares = filled(folder / f"reports/{name}.pdf")
    assert all(share > 0.8 for share in shares[:-1]), [round(share, 2) for share in shares]


def test_the_course_report_has_every_section(checkout):
    folder, _, _ = checkout
    text = (folder / "reports/report.html").read_text("utf-8")
    for path in NUMBERED:
        title = cells(path, "markdown")[0]["source"].splitlines()[0]
        words = re.findall(r"[A-Za-z]{4,}", re.sub(r"\$.*?\$|\{.*?\}", "", title))
        assert all(word in text for word in words), title
    assert len(pages_of(folder / "reports/report.pdf")) <= 27  # captions are longer than with real images


def test_a_second_time_nothing_runs(checkout):
    folder, make, _ = checkout
    before = built(folder)
    assert re.search("^all: up to date", make("all").stdout, re.M)
    assert built(folder) == before


def test_new_prose_reruns_its_notebook_only_and_trains_nothing(checkout):
    folder, make, _ = checkout
    results = sorted((folder / "reports/results").iterdir())
    path = folder / "notebooks/08-initialization.ipynb"
    notebook = json.loads(path.read_text("utf-8"))
    notebook["cells"][0]["source"] = ["".join(notebook["cells"][0]["source"]), "\n\nThis sentence is new."]
    path.write_text(json.dumps(notebook), "utf-8")
    (folder / "workbook/runs/sweep.py").touch()  # no notebook uses it
    again = make("all")
    assert re.findall(r"^reports/build/(\S+):", again.stdout, re.M) == [path.name]
    assert "Networks trained: 0;" in again.stdout and sorted((folder / "reports/results").iterdir()) == results
    assert "This sentence is new." in (folder / "reports/report.html").read_text("utf-8")


def test_the_code_of_the_readme_runs(checkout):
    """With lib alone, and with stored runs."""
    folder, _, _ = checkout
    blocks = re.findall(r"^```python\n(.*?)^```", (folder / "README.md").read_text("utf-8"), re.S | re.M)
    assert len(blocks) == 2
    environment = os.environ | {"PYTHONPATH": str(folder), "SCHEDULER": "inproc"}
    for block, accurate in zip(blocks, (r"'accuracy': np.float64\(0\.9", r"\[0\.\d+, 0\.\d+, 0\.\d+\]"), strict=True):
        code = block.replace('"auto"', '"standin"')
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and re.search(accurate, done.stdout), done.stdout + done.stderr


def test_clean_removes_what_was_built_and_nothing_else(checkout):
    """The last test here, as it takes the documents away."""
    folder, make, _ = checkout
    make("clean")
    ours = {name for name in git("ls-files", "--cached", "--others", "--exclude-standard") if (ROOT / name).is_file()}
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert ours <= left
    assert not [name for name in left - ours if not re.search("reports/results/|__pycache__|egg-info", name)]
