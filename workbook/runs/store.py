"""One finished run, one file: ``reports/results/<key>.json``, whole or not there."""

import json
import math
import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "reports" / "results"

#: where a notebook writes for the reader; those that a sweep runs must not overwrite what the report is made of
REPORTS = Path(os.environ.get("WORKBOOK_REPORTS") or ROOT / "reports")


def write(path, content):
    """Write a file, of a string or bytes, so that it is whole or not there, whatever happens meanwhile.

    Folders are made. A file that holds the content already keeps its date, so that make does not remake what was made
    of it.
    """
    content = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def save(key, record):
    """Write a record (nested dicts and lists of plain values); not-a-number and infinity become null."""
    write(RESULTS / f"{key}.json", json.dumps(_finite(record), allow_nan=False))


def load(key):
    """Return the record, nulls in it as not-a-number; None where there is none or the file cannot be read."""
    try:
        return json.loads((RESULTS / f"{key}.json").read_text(), object_hook=_nan)
    except (OSError, ValueError):
        return None


def current(code, fingerprint):
    """Return the records of all results by this numerical code on these data."""
    records = (load(path.stem) for path in sorted(RESULTS.glob(f"*-{code}.json")))
    return [r for r in records if r and r["run"]["fingerprint"] == fingerprint]


def is_stale(key):
    """Whether there is a result of the same experiment and data by other numerical code, and none by today's."""
    experiment = key.split("-")[0]
    names = {path.stem for path in RESULTS.glob(f"{experiment}-*.json")}
    return bool(names) and key not in names


def _finite(value):
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _nan(mapping):
    """Curves and scores hold numbers only, so a null in them stands for not-a-number."""
    return {
        name: [math.nan if v is None else v for v in value]
        if isinstance(value, list)
        else math.nan
        if value is None and name.split("_")[-1] in ("loss", "cost", "accuracy")
        else value
        for name, value in mapping.items()
    }
