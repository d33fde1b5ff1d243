"""Run one notebook with parameters, strictly: papermill only warns of names that it does not know."""

import logging
import os
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

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
    if not any(partial.parent.iterdir()):
        partial.parent.rmdir()
    return time.perf_counter() - start


def _run(notebook, partial, values):
    """Run the notebook with papermill; its errors become one line.

    In a thread, as nbclient would answer a signal in the main one by killing the kernel. Here the kernel is
    interrupted, as by the stop button, so that it can say what is stored.
    """
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # it would print the traceback as well
    outcome, os.environ["WORKBOOK_NAME"] = [], partial.stem  # the kernel is called by its notebook
    thread = Thread(target=_papermill, args=(notebook, partial, values, outcome))
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
    except KeyboardInterrupt:
        for signum, seconds in ((signal.SIGINT, 1.5), (signal.SIGKILL, 10)):
            for kernel in psutil.Process().children():
                with suppress(psutil.NoSuchProcess):
                    kernel.send_signal(signum)
            thread.join(seconds)
        stop = outcome[0] if outcome and isinstance(outcome[0], KeyboardInterrupt) else KeyboardInterrupt()
        raise stop from None
    [found] = outcome
    if isinstance(found, BaseException):
        raise found
    return found


def _papermill(notebook, partial, values, outcome):
    """Append to ``outcome`` the executed notebook, or the ReportError, or any other exception."""
    with TemporaryDirectory() as folder:
        # a Unix socket of its own, as kernels that start side by side race for TCP ports; an absolute path, as the
        # kernel runs in another folder
        kernel = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})
        try:
            outcome.append(papermill.execute_notebook(
                notebook, partial, values, cwd=notebook.parent, progress_bar=False, config=kernel,
                stdout_file=sys.stderr, stderr_file=sys.stderr,
                extra_arguments=["--log-level=CRITICAL"],  # or the kernel logs its own death
            ))  # fmt: skip
        except PapermillExecutionError as error:
            stopped = error.ename in ("KeyboardInterrupt", "Interrupted")
            outcome.append(KeyboardInterrupt(error.evalue) if stopped else ReportError(_told(error, partial)))
        except DeadKernelError:
            outcome.append(ReportError(f"{partial.stem}: the kernel died or was killed (see {partial})"))
        except Exception as error:
            outcome.append(error)


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
