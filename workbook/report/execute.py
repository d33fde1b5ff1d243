"""Run one notebook with parameters, strictly: papermill only warns of names that it does not know."""

import logging
import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import papermill
import psutil
from nbclient.exceptions import DeadKernelError
from nbconvert.filters import strip_ansi
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from .notebook import ReportError, read
from .parameters import check_parameters


def execute(notebook, out, parameters=None):
    """Run a notebook in its own folder, write the executed copy to ``out``, and return the seconds that it took.

    Cells tagged ``exercise`` are for the reader alone: they are left out.

    parameters: {name: value}; a string is read as a literal unless the default is a string, too. While the notebook
    runs, the copy grows as ``failed/<name>`` beside ``out``. It stays there if a cell fails, so ``out`` is either
    complete or does not exist. What the notebook prints goes to standard error. Raises ReportError if there is no such
    notebook or parameter, if a value has the wrong type, or if a cell fails; KeyboardInterrupt with the kernel's words.
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
    return time.perf_counter() - start


def _run(notebook, partial, values):
    """Run the notebook with papermill; its errors become one line.

    In a thread, as nbclient would answer a signal in the main one by killing the kernel. Here the kernel is
    interrupted, as by the stop button, so that it can say what is stored.
    """
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # it would print the traceback as well
    os.environ["WORKBOOK_NAME"] = partial.stem  # what the kernel is called
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(_papermill, notebook, partial, values)
        try:
            return done.result()
        except KeyboardInterrupt:
            signum = signal.SIGINT
            while not done.done():
                for kernel in psutil.Process().children():
                    with suppress(psutil.NoSuchProcess):
                        kernel.send_signal(signum)
                wait([done], 1.5)
                signum = signal.SIGKILL
            said = done.exception()
            raise said if isinstance(said, KeyboardInterrupt) else KeyboardInterrupt() from None


def _papermill(notebook, partial, values):
    """Return the executed notebook; raises ReportError, or KeyboardInterrupt with what the interrupted kernel said."""
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
            if error.ename in ("KeyboardInterrupt", "Interrupted"):
                raise KeyboardInterrupt(error.evalue) from None
            raise ReportError(_told(error, partial)) from None
        except DeadKernelError:
            raise ReportError(f"{partial.stem}: the kernel died or was killed (see {partial})") from None


def _told(error, partial):
    """Return in one line which cell of an executed notebook failed, why, and at which line."""
    what = f"{error.ename}: {' '.join(error.evalue.split())}".rstrip(": ")
    # the cell's number in the reader's notebook, which lacks the cells that papermill added
    tags = [cell.metadata.get("tags", []) for cell in read(partial).cells]
    tags = [each for each in tags if "papermill-error-cell-tag" not in each][: error.cell_index + 1]
    number = sum("injected-parameters" not in each for each in tags)
    line = re.search(r"Cell In\[\d+\], line (\d+)", strip_ansi("\n".join(error.traceback)))
    source = error.source.splitlines()
    where = f" at {source[int(line[1]) - 1].strip()!r}" if line and int(line[1]) <= len(source) else ""
    return f"{partial.stem}, cell {number} failed{where}: {what} (see {partial})"
