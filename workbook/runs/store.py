"""One finished run, one file: ``reports/results/<key>.json``, whole or not there.

A file ends with a checksum of its key and of all that stands before it. What does not fit is named on stderr, set aside
in ``damaged/`` and trained again. A file of an earlier version, without a checksum, is judged by its shape alone.
"""

import hashlib
import json
import math
import os
import re
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "reports" / "results"

#: where a notebook writes for the reader; those that a sweep runs must not overwrite what the report is made of
REPORTS = Path(os.environ.get("WORKBOOK_REPORTS") or ROOT / "reports")

SCORES = [f"{part}_{score}" for part in ("train", "validation", "test") for score in ("loss", "cost", "accuracy")]
SHAPE = {"diverged": bool, "curves": dict, "scores": dict, "run": dict, "weights": list}
HOW = {"experiment": dict, "seconds": (int, float)}
HOW |= dict.fromkeys(("date", "machine", "python", "numpy", "fingerprint"), str)
CHECKSUM = re.compile(r', "checksum": "([0-9a-f]{16})"\}\Z')


def write(path, content):
    """Write a string or bytes to a file so that it is whole or not there, whatever happens meanwhile; folders are made.

    A file that holds the content already keeps its date, so that make does not remake what was made of it. Raises
    OSError, with the file's name also where the disk is full.
    """
    content = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path.parent)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, f"cannot be written ({error.strerror}): make room there", str(path)) from None
    finally:
        with suppress(OSError):
            temporary.unlink()  # there is none after success


def write_table(path, frame):
    """Write a pandas DataFrame as CSV; a text that a spreadsheet would take for a formula gets an apostrophe first."""
    write(path, frame.map(_no_formula).to_csv(index=False))


def _no_formula(cell):
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip()[:1] in tuple("=+-@") and not _number(cell) else cell


def _number(text):
    with suppress(ValueError):
        return math.isfinite(float(text))
    return False


@cache
def _clear(folder):
    """Remove what killed processes left in a folder more than an hour ago; done once by each process."""
    for left in folder.glob(".*.tmp-*"):
        with suppress(OSError):  # another process may be clearing up too
            if time.time() - left.stat().st_mtime > 3600:
                left.unlink()


def save(key, record):
    """Write a record (nested dicts and lists of plain values); NaN and infinity become null, as JSON has neither."""
    text = json.dumps(_finite(record), allow_nan=False)
    write(RESULTS / f"{key}.json", f'{text[:-1]}, "checksum": "{_checksum(key, text)}"}}')


def _checksum(key, text):
    return hashlib.sha256(f"{key}\n{text}".encode()).hexdigest()[:16]


def _finite(value):
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load(key):
    """Return the record, with NaN for the nulls in its curves and scores; None if there is none, or a damaged one."""
    path = RESULTS / f"{key}.json"
    try:
        record = _whole(key, path.read_bytes().decode())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        set_aside(path, error)
        return None
    record["curves"] = {name: [math.nan if v is None else v for v in curve] for name, curve in record["curves"].items()}
    record["scores"] = {name: math.nan if score is None else score for name, score in record["scores"].items()}
    return record


def _whole(key, text):
    """Return the record in a file's text. Raises ValueError, or RecursionError, unless the engine can have saved it."""
    if sealed := CHECKSUM.search(text, len(text) - 40):
        text = text[: sealed.start()] + "}"
        if sealed[1] != _checksum(key, text):
            raise ValueError("its checksum does not fit")
    record = json.loads(text)
    if not isinstance(record, dict) or not SHAPE.keys() - {"weights"} <= record.keys() <= SHAPE.keys():
        raise ValueError("it is no result")
    curves, scores, run = record["curves"], record["scores"], record["run"]
    for part, kinds in ((record, SHAPE), (run, HOW)):
        for name, kind in kinds.items():
            if name in part and not isinstance(part[name], kind):
                raise ValueError(f"its {name} cannot be {part[name]!r:.40}")
    if not HOW.keys() <= run.keys():
        raise ValueError("it does not say how it was made")
    if list(scores) not in (SCORES, SCORES[:6]) or not all(_numbers(name, [scores[name]]) for name in scores):
        raise ValueError("its scores are none")
    if list(curves) != ["update", "eta", *SCORES[:6]] or not all(_numbers(name, curves[name]) for name in curves):
        raise ValueError("its curves are none")
    if len(set(map(len, curves.values()))) > 1:
        raise ValueError("its curves differ in length")
    return record


def _numbers(name, values):
    """Return whether values are a list of numbers or null, and of accuracies if that is their name."""
    most = 1 if name.endswith("accuracy") else math.inf
    return isinstance(values, list) and all(
        value is None or (type(value) in (int, float) and abs(value) <= most) for value in values
    )


def set_aside(path, error):
    """Take a damaged file out of the way, and say so in one line."""
    aside = path.parent / "damaged" / f"{time.time_ns()}-{path.name}"
    why, told = " ".join(str(error).split()), f"moved to {aside.parent.name}/, to be made again"
    try:
        aside.parent.mkdir(exist_ok=True)
        path.rename(aside)
    except FileNotFoundError:  # another process was first
        return
    except OSError as error:
        told = f"cannot be moved ({error.strerror}), delete it"
    print(f"{path} is damaged ({why}): {told}", file=sys.stderr)


def current(code, fingerprint):
    """Return the records, without weights, of all results by one code_version of ``lib/nn`` on these data."""
    records = [record for path in sorted(RESULTS.glob(f"*-{code}.json")) if (record := load(path.stem))]
    for record in records:
        record.pop("weights", None)
    return [record for record in records if record["run"]["fingerprint"] == fingerprint]


def is_stale(key):
    """Return whether another ``lib/nn``, or other defaults, left a result under the experiment and data of a key."""
    return any(load(path.stem) for path in RESULTS.glob(f"{key.split('-')[0]}-*.json"))
