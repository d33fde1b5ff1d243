"""One piece of work at a time in a thread, so that the kernel stays free; a new piece ends the one before it."""

import threading
import traceback

from workbook.play.training import Stopped


class Background:
    """Runs ``work(stopping)``, where ``stopping`` is a threading.Event that is set when it has to end.

    failed: called with one sentence if the work cannot be done (ValueError, MemoryError) or has a bug.
    """

    def __init__(self, failed):
        self.failed = failed
        self._stopping, self._thread = threading.Event(), None

    def start(self, work):
        """Stop what runs, and run ``work`` when that has ended."""
        self.stop()
        stopping = threading.Event()
        self._stopping = stopping
        self._thread = threading.Thread(target=self._run, args=(work, stopping, self._thread), daemon=True)
        self._thread.start()

    def stop(self):
        """Ask what runs to end; returns at once."""
        self._stopping.set()

    def wait(self, seconds=None):
        """Wait until the work has ended, at most so many seconds; return whether it has."""
        if self._thread:
            self._thread.join(seconds)
        return not (self._thread and self._thread.is_alive())

    def _run(self, work, stopping, before):
        if before:
            before.join()
        if stopping.is_set():  # overtaken while it waited
            return
        try:
            work(stopping)
        except Stopped:
            pass
        except (ValueError, MemoryError) as error:
            self.failed(str(error) or "The memory is not enough for this.")
        except Exception as error:
            traceback.print_exc()
            self.failed(f"{type(error).__name__}: {error}")
