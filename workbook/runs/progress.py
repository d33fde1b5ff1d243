"""How far a call that trains has come: a line in a terminal, a bar in JupyterLab, a line a minute in a log file.

Where WORKBOOK_PROGRESS names a folder, as in ``make report``, a process shows nothing and writes to a file there what
it does; ``workbook.report.waiting`` shows all of them together.
"""

import json
import os
import shutil
import sys
import time
from collections import Counter
from html import escape
from pathlib import Path

from workbook.runs.cores import process_name

_told = {"asked": {}, "trained": 0, "loaded": 0, "seconds": 0.0}  # what this process has told the file so far


class Progress:
    """Counts runs done, loaded, failed and diverged, and shows them with the best score so far; a context manager."""

    def __init__(self, total, title, name="validation_accuracy", goal="maximize"):
        self.total, self.title, self.metric, self.better = total, title, name, max if goal == "maximize" else min
        self.counts, self.stale, self.underway, self.scores = Counter(), 0, {}, []
        self.doing, self.work, self.trained, self.left = "", 0.0, 0.0, None  # words, FLOP, FLOP, seconds
        self.start, self.training, self.picture, self.ended = time.monotonic(), None, None, False
        self.folder = os.environ.get("WORKBOOK_PROGRESS")
        self.where = "terminal" if sys.stderr.isatty() else "log"
        if self.folder or in_notebook():
            self.where = "file" if self.folder else "notebook"
        self.due = self.start + (self.where == "log")  # what is done within a second is not worth a line there

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if not self.ended:
            self.end("")

    def note(self, outcome, loaded=False):
        """Count the outcome of a run, a Result or an exception, and return it."""
        failed = isinstance(outcome, Exception)
        self.counts["failed" if failed else "loaded" if loaded else "done"] += 1
        if not failed and outcome.diverged:
            self.counts["diverged"] += 1
        elif not failed and self.metric in outcome.scores:
            self.scores.append(outcome.scores[self.metric])
        return outcome

    def ask(self, flop):
        """Note for the file which runs are wanted, {key: FLOP}."""
        _told["asked"] |= flop

    def partly(self, job, runs):
        """Note how many runs, a fraction too, are done of a job that is under way."""
        self.underway[job] = runs

    @property
    def settled(self):
        """How many runs are loaded, trained or failed."""
        return self.counts.total() - self.counts["diverged"]

    def say(self, doing, work=None, runs=1):
        """Show what is done, in words. work: the FLOP left of ``runs`` runs that wait or train."""
        self.doing, now = doing, time.monotonic()
        if work is not None:
            self.training = now if self.training is None else self.training
            self.trained += max(0.0, self.work - work)
            self.work = work
            if self.trained:  # a search has not asked for all its runs yet: the others are like these
                work *= (self.total - self.settled) / runs
                self.left = work / self.trained * (now - self.training)
        if now >= self.due:
            self.due = now + self._show()

    def line(self, width):
        """Return one line, as much of it as fits into ``width`` characters."""
        done = self.settled + sum(list(self.underway.values()))
        line = f"{self.title} {bar(done, self.total)} {done:.0f} of {self.total}"
        left = f"{clock(self.left)} left" if self.left is not None else ""
        for part in (self.doing, clock(time.monotonic() - self.start), left, self.best):
            if part and len(line) + 2 + len(part) < width:
                line += f", {part}"
        return line

    @property
    def best(self):
        """The best score so far, in words; empty where there is none."""
        return f"best {score(self.metric, self.better(self.scores))}" if self.scores else ""

    def __str__(self):
        counts = ", ".join(f"{self.counts[name]} {name}" for name in ("done", "loaded", "failed", "diverged"))
        return counts + (f", best {self.metric} {self.better(self.scores):.4g}" if self.scores else "")

    def end(self, text):
        """Put a text, or nothing, in the place of what was shown."""
        self.ended = True
        if self.where == "file":
            counted = {"trained": self.counts["done"], "loaded": self.counts["loaded"]}
            counted["seconds"] = 0.0 if self.training is None else time.monotonic() - self.training
            self.doing, self.work, self.counts, self.training = "", 0.0, Counter(), None
            _told.update({name: _told[name] + value for name, value in counted.items()})
            self._write()
        elif self.where == "notebook":
            self._display(f"<small>{escape(text)}</small>" if text else "")
        else:
            clear = "\r\x1b[K" if self.where == "terminal" else ""
            print(clear + text, end="\n" if text else "", file=sys.stderr, flush=True)

    def _show(self):
        """Show all this; return the seconds until it should be shown again."""
        if self.where == "file":
            self._write()
        elif self.where == "notebook":
            done = self.settled + sum(list(self.underway.values()))
            self._display(f'<progress value="{done}" max="{self.total}"></progress> {escape(self.line(200))}')
        elif self.where == "terminal":
            print(f"\r\x1b[K{self.line(shutil.get_terminal_size().columns)}", end="", file=sys.stderr, flush=True)
        else:
            print(self.line(200), file=sys.stderr, flush=True)
        return 60 if self.where == "log" else 0.5

    def _display(self, html):
        """Show HTML in JupyterLab, always at the same place; the report leaves it out."""
        from IPython.display import display

        if self.picture:
            self.picture.update({"text/html": html}, raw=True)
        elif html:
            self.picture = display({"text/html": html}, raw=True, display_id=True)

    def _write(self):
        """Write the file of this process."""
        now = {"doing": self.doing, "work": self.work, "time": time.time(), "pid": os.getpid()}
        now |= {"metric": self.metric, "scores": [self.better(self.scores), self.scores[-1]] if self.scores else []}
        path = Path(self.folder) / f"{process_name()}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(_told | now))
        os.replace(temporary, path)


def in_notebook():
    """Return whether somebody looks at this process in a notebook; a terminal shows what ``report.execute`` runs."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel") and "WORKBOOK_NAME" not in os.environ


def bar(done, total, width=10):
    """Return a bar of characters."""
    return "▕" + ("█" * round(width * done / max(total, 1))).ljust(width) + "▏"


def clock(seconds):
    """Return seconds as 0:59 or 1:00:00."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def score(metric, value):
    """Return a score in words: an accuracy in per cent."""
    return f"{100 * value:.2f} %" if metric.endswith("accuracy") else f"{metric} {value:.4g}"
