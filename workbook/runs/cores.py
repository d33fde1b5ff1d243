"""Notebooks that run side by side share the cores of the machine, through locked files beside the stored results.

There is one file a core, and one a process that says how much work it has left. A process that has a core already
leaves a free one to the others for a moment, so that all go on. A lock ends with its process, however that ends.
"""

import fcntl
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from workbook.runs import store

MOMENT = 0.5  # seconds


def process_name():
    """Return what people call this process: the notebook, or the program, that it runs."""
    return os.environ.get("WORKBOOK_NAME") or Path(os.environ.get("JPY_SESSION_NAME") or sys.argv[0] or "python").stem


class Share:
    """What this process takes of ``number`` cores; of 0, on a cluster that shares its own out, as many as it likes."""

    def __init__(self, number):
        store.RESULTS.mkdir(parents=True, exist_ok=True)
        self.cores = [store.RESULTS / f".core-{index}" for index in range(number)]
        self.held, self.tried = [], 0.0
        name = f"-{os.getpid()}-{time.monotonic_ns()}"
        self.path = store.RESULTS / f".work{name}"
        self.file = open(store.RESULTS / f".new{name}", "w")
        self.announce(0.0)
        _lock(self.file)
        os.rename(self.file.name, self.path)  # only now, as the others remove a file of work that nobody has locked

    def announce(self, work):
        """Tell the other processes how much work, in FLOP, this one has left."""
        os.pwrite(self.file.fileno(), f"{work:13.6e}".encode(), 0)

    def others(self):
        """Return how much work, in FLOP, all other processes have left."""
        work = 0.0
        for path in store.RESULTS.glob(".work-*"):
            with suppress(FileNotFoundError), open(path, "r+") as file:
                if _lock(file):
                    path.unlink()  # its process has ended
                elif path != self.path:
                    work += float(file.read())
        return work

    def take(self):
        """Return the file of a core that was free and is locked now, or None; to close the file frees the core."""
        if not self.cores:
            return open(os.devnull)
        self.held = [core for core in self.held if not core.closed]
        if self.held and self.others() and time.monotonic() < self.tried + MOMENT:
            return None
        self.tried = time.monotonic()
        for path in self.cores:
            core = open(path, "a")  # not "w", which would erase the holder's name
            if _lock(core):
                core.truncate(0)
                core.write(f"{process_name()} (process {os.getpid()})")
                core.flush()
                self.held.append(core)
                return core
            core.close()
        return None

    def holders(self):
        """Return the names of the processes that have the cores, as they wrote them into the files."""
        return sorted({path.read_text() for path in self.cores if path.exists()})

    def close(self):
        """Free all cores, and leave."""
        self.path.unlink(missing_ok=True)
        for file in (self.file, *self.held):
            file.close()


def _lock(file):
    """Lock an open file; return whether no other process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
