"""``make report`` and its kin in one picture: notebooks done and running, networks trained of all, the time left.

Each notebook is executed by a process of its own, and writes what it does into reports/build/progress (see
``workbook.runs.progress``); here all of that is read and shown together. Which networks a notebook asked for is
remembered from one time to the next, so that the number of all is known before the first is trained.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Thread

from workbook.runs import store
from workbook.runs.experiment import code_version
from workbook.runs.progress import bar, clock, score

from .notebook import ReportError

BUILD = store.ROOT / "reports" / "build"
FOLDER = BUILD / "progress"
NOISE = re.compile(r"make(\[\d+\])?: ")  # what make says of itself


@contextmanager
def alone(title):
    """Hold the lock of the build; raises ReportError if another process has it."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / ".lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ReportError(f"{file.read()} is building in this folder; wait for it, or stop it") from None
        file.truncate(0)
        file.write(f"make {title} (process {os.getpid()}, since {time.strftime('%H:%M')})")
        file.flush()
        yield


def build_all(title, targets, jobs, profile, data_name, keep_going=False):
    """Run make for these targets and show how far it is; return make's exit status, 130 if somebody stopped it."""
    waiting = Waiting(title, _notebooks(targets), jobs, BUILD / f"asked-{profile}-{data_name}.json")
    make = ["make", "-s", "--no-print-directory", f"-j{jobs}", *(["-k"] if keep_going else []), *targets]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    process = subprocess.Popen(make, env=_environment() | {"WORKBOOK_PROGRESS": str(FOLDER)}, **how)
    lines = SimpleQueue()
    Thread(target=lambda: [lines.put(line) for line in process.stdout] + [lines.put(None)], daemon=True).start()
    try:
        while (line := waiting.next(lines)) is not None:
            if line and not NOISE.match(line):
                waiting.say(line.rstrip())
        status = process.wait()
    except KeyboardInterrupt:
        for signum in (signal.SIGINT, signal.SIGKILL):  # the kernels notice within a second that their parents died
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signum)
                process.wait(2)
        status = 130
    waiting.end(status)
    return status


def _environment():
    """Return the environment for a make of our own: of the flags of the make that called us, only its variables."""
    _, _, variables = os.environ.get("MAKEFLAGS", "").partition("-- ")
    ours = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MFLAGS")}
    return ours | {"MAKEFLAGS": f" -- {variables}" if variables else ""}


def _notebooks(targets):
    """Return the names of the notebooks that make would run for these targets, in its order."""
    told = subprocess.run(["make", "-n", *targets], env=_environment(), capture_output=True, text=True)
    found = re.findall(r"workbook\.report execute .*--output \S*?([^/\s]+)\.ipynb|WORKBOOK_NAME=(\S+)", told.stdout)
    return list(dict.fromkeys(first or second for first, second in found))


def is_up_to_date(targets):
    """Return whether make has nothing to do for these targets."""
    return subprocess.run(["make", "-q", *targets], env=_environment(), capture_output=True).returncode == 0


class Waiting:
    """What is known of notebooks that run side by side. memory: the file of what they asked for the last time."""

    def __init__(self, title, names, jobs, memory):
        self.title, self.names, self.jobs, self.memory = title, names, jobs, memory
        self.start, self.due, self.first = time.time(), 0.0, None
        self.tty, self.drawn, self.trained = sys.stderr.isatty(), 0, set()
        self.before = {}
        with suppress(OSError, ValueError):
            self.before = json.loads(memory.read_text())
        fresh = os.environ.get("FRESH")
        anew = {k for name, each in self.before.items() if fresh and name.startswith(fresh) for k in each["asked"]}
        self.stored = {path.stem for path in store.RESULTS.glob("[!.]*.json")} - anew
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)

    def next(self, lines):
        """Return the next line of make, "" if there is none yet, None at its end; draw now and then."""
        try:
            line = lines.get(timeout=0.2)
        except Empty:
            line = ""
        if time.time() >= self.due:
            self.draw()
        return line

    def draw(self):
        """Draw two lines in a terminal, print one a minute elsewhere."""
        self.due = time.time() + (0.5 if self.tty else 60)
        top, bottom = self.lines()
        if not self.tty:
            print(f"{top}; {bottom}", file=sys.stderr, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        self.clear()
        print(f"{top[:width]}\n{bottom[:width]}", end="", file=sys.stderr, flush=True)
        self.drawn = 2

    def clear(self):
        """Take the two lines away."""
        print("\r\x1b[K" + "\x1b[A\x1b[K" * (self.drawn - 1) if self.drawn else "", end="", file=sys.stderr, flush=True)
        self.drawn = 0

    def say(self, line):
        """Print a line that stays."""
        self.clear()
        print(line, flush=True)

    def lines(self):
        """Return what there is to say in two lines."""
        told, states = self._read(".json"), self._read(".state")
        done, flop = self._done(states), self._flop(told, states)
        missing = {k: f for k, f in flop.items() if k not in self.stored}
        self.trained |= {k for k in missing if k not in self.trained and self._is_new(k)}
        running = {name: told.get(name, {}) for name in self.names if name in states | told and name not in done}
        left, at_work = sum(f for k, f in missing.items() if k not in self.trained), 0.0
        for each in running.values():
            if each.get("work"):
                ours = sum(missing[k] for k in each["asked"] if k in missing and k not in self.trained)
                at_work += max(0.0, ours - each["work"])
        known = all(name in done or name in self.before for name in self.names)
        top = f"{self.title} {bar(len(self.trained), len(missing))} {len(self.trained)} of "
        top += f"{'' if known else 'at least '}{len(missing)} networks, {clock(time.time() - self.start)}"
        if not missing:
            top = f"{self.title}: {'' if known else 'so far '}no network to train, {clock(time.time() - self.start)}"
        seconds = self._seconds_left(sum(missing[k] for k in self.trained) + at_work, left - at_work, states)
        top += f", {clock(seconds)} left" if seconds is not None and known else ""
        latest = self.trained and max(
            (each for each in told.values() if each["scores"]), key=lambda each: each["time"], default=None
        )
        if latest:
            best = max(each["scores"][0] for each in told.values() if each["scores"])
            top += f", best {score(latest['metric'], best)}, latest {score(latest['metric'], latest['scores'][1])}"
        doing = "; ".join(f"{name} {each.get('doing') or 'runs'}" for name, each in running.items())
        return top, f"{len(done)} of {len(self.names)} notebooks done" + (f"; {doing}" if doing else "")

    def _is_new(self, key):
        """Return whether a result was stored since all this began."""
        try:
            return (store.RESULTS / f"{key}.json").stat().st_mtime >= self.start
        except OSError:
            return False

    def _read(self, suffix):
        """Return {name: content} of the files that notebooks write."""
        found = {}
        for name in self.names:
            with suppress(OSError, ValueError):
                found[name] = json.loads((FOLDER / f"{name}{suffix}").read_text())
        return found

    def _done(self, states):
        return [name for name in self.names if states.get(name, {}).get("state") == "done"]

    def _flop(self, told, states):
        """Return {key: FLOP} of the networks that all notebooks asked for, or will if they do as the last time."""
        flop = {}
        for name in self.names:
            flop |= told.get(name, {}).get("asked", {})
            if states.get(name, {}).get("state") != "done":
                asked = self.before.get(name, {}).get("asked", {})
                flop |= {f"{key.split('-')[0]}-{code_version()}": value for key, value in asked.items()}
        return flop

    def _seconds_left(self, done, left, states):
        """Return the seconds for ``left`` FLOP at the pace of those done, and for what notebooks do beside; or None."""
        self.first = self.first or (time.time() if done else None)
        if left and not (done and time.time() > self.first + 5):
            return None
        ended = {name for name, each in states.items() if "seconds" in each}
        beside = sum(each["beside"] for name, each in self.before.items() if name in self.names and name not in ended)
        return (left / done * (time.time() - self.first) if left else 0.0) + beside / self.jobs

    def end(self, status):
        """Remember what was asked for; after an interruption or an error, say what is done and how to go on."""
        self.clear()
        told, states = self._read(".json"), self._read(".state")
        done = self._done(states)
        for name in done:
            each = told.get(name, {"asked": {}, "seconds": 0.0})
            beside = max(0.0, states[name]["seconds"] - each["seconds"])
            self.before[name] = {"asked": each["asked"], "beside": beside}
        store.write(self.memory, json.dumps(self.before))
        if status:
            what, others = "interrupted" if status == 130 else "not finished", set(self.names) - set(done)
            counts = f"{len(done)} of {len(self.names)} notebooks done, {len(self.trained)} networks trained and stored"
            left = f"; not done: {', '.join(sorted(others))}" if others else ""
            print(f"{self.title}: {what}; {counts}{left}; the same command goes on", file=sys.stderr)
