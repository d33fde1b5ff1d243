"""Who works on which core: the local clusters of a checkout, one a notebook, share the cores of the machine."""

import os
import time
from contextlib import contextmanager

from workbook.runs import store


def locks():
    """Return the paths of the lock files, one a core, as texts; none where SCHEDULER names who shares work out."""
    from dask.system import CPU_COUNT  # the cores that this process may use, in a container too

    if os.environ.get("SCHEDULER"):
        return []
    store.RESULTS.mkdir(parents=True, exist_ok=True)
    return [str(store.RESULTS / f".core-{number}") for number in range(CPU_COUNT)]


@contextmanager
def one_of(paths):
    """Wait until one of the lock files is free and hold it; a lock ends with its process, however that ends."""
    while paths:
        for file in filter(None, map(_lock, paths)):
            with file:
                yield
            return
        time.sleep(0.05)
    yield


def _lock(path):
    """The file, locked, or None where another process holds it."""
    import fcntl  # here: a cluster's workers need none

    file = open(path, "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return file.close()
    return file
