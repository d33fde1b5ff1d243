"""Run one notebook with parameters, strictly: papermill only warns of names that it does not know."""

import ast
import difflib
import logging
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from .notebook import ReportError, read


def execute(notebook, out, parameters=None):
    """Run a notebook in its own folder, write the executed copy to ``out``, and return the seconds that it took.

    Cells tagged ``exercise`` are for the reader alone: they are left out.

    parameters: {name: value}; a string is read as a literal unless the default is a string, too. While the notebook
    runs, the copy grows as ``failed/<name>`` beside ``out``. It stays there if a cell fails, so ``out`` is either
    complete or does not exist. What the notebook prints goes to standard error. Raises ReportError if there is no such
    notebook or parameter, if a value has the wrong type, or if a cell fails.
    """
    notebook, out = Path(notebook), Path(out)
    values = check_parameters(notebook, parameters or {})
    partial = out.parent / "failed" / out.name
    partial.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)  # an older result must not pass for this run's
    start = time.perf_counter()
    nb = _run(notebook, partial, values)
    for metadata in (nb.metadata, *(cell.metadata for cell in nb.cells)):  # papermill's absolute paths and times
        metadata.pop("papermill", None)
        metadata.pop("execution", None)
    if not notebook.is_absolute():
        nb.metadata["source"] = str(notebook)  # the report links to it
    nbformat.write(nb, partial)
    os.replace(partial, out)
    if not any(partial.parent.iterdir()):
        partial.parent.rmdir()
    return time.perf_counter() - start


def check_parameters(notebook, parameters):
    """Return {name: value} with strings turned into values of the defaults' types.

    Raises ReportError for an unknown name (and suggests the nearest), a value of the wrong type, and as ``defaults``.
    """
    known, values = defaults(notebook), {}
    for name, value in parameters.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"its parameters are {', '.join(known) or 'none'}"
            raise ReportError(f"{notebook}: no parameter {name}; {hint}")
        try:
            values[name] = _fit(value, known[name])
        except TypeError:
            wanted = type(known[name]).__name__
            message = f"{notebook}: parameter {name} must be {wanted}, such as {known[name]!r}, not {value!r}"
            raise ReportError(message) from None
    return values


def defaults(notebook):
    """Return {name: default} of a notebook's parameters.

    Raises ReportError unless exactly one cell is tagged ``parameters`` and holds nothing but literals.
    """
    cells = [cell for cell in read(notebook).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ReportError(f"{notebook}: exactly one cell must be tagged parameters, not {len(cells)}")
    try:
        return {line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(cells[0].source).body}
    except (SyntaxError, ValueError, AttributeError):
        raise ReportError(f"{notebook}: the parameters cell may hold only lines like name = 1e-3") from None


def _fit(value, default):
    """Return ``value`` as the type of ``default``; raises TypeError if it does not fit."""
    if isinstance(value, str) and not isinstance(default, str):
        try:
            value = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            if default is not None:
                raise TypeError from None
    if type(default) is float and type(value) is int:
        return float(value)
    if default is not None and type(value) is not type(default):
        raise TypeError
    return value


def _run(notebook, partial, values):
    """Run the notebook with papermill; its errors become one line."""
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # it would print the traceback as well
    with TemporaryDirectory() as folder:
        # a Unix socket of its own, as kernels that start side by side race for TCP ports; an absolute path, as the
        # kernel runs in another folder
        kernel = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})
        nb = read(notebook)
        nb.cells = [cell for cell in nb.cells if "exercise" not in cell.metadata.get("tags", [])]
        nbformat.write(nb, f"{folder}/{notebook.name}")
        try:
            return papermill.execute_notebook(
                f"{folder}/{notebook.name}", partial, values, cwd=notebook.parent, progress_bar=False, config=kernel,
                stdout_file=sys.stderr, stderr_file=sys.stderr,
                extra_arguments=["--log-level=CRITICAL"],  # or the kernel logs its own death
            )  # fmt: skip
        except PapermillExecutionError as error:
            what = f"{error.ename}: {' '.join(error.evalue.split())}".rstrip(": ")
            # the cell's number in the reader's notebook, which lacks the cells that papermill added
            tags = [cell.metadata.get("tags", []) for cell in read(partial).cells]
            tags = [each for each in tags if "papermill-error-cell-tag" not in each][: error.cell_index + 1]
            number = sum("injected-parameters" not in each for each in tags)
            raise ReportError(f"{partial.stem}, cell {number} failed: {what} (see {partial})") from None
        except DeadKernelError:
            raise ReportError(f"{partial.stem}: the kernel died or was killed (see {partial})") from None
