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
    """Write a string or bytes to a file so that it is whole or not there, whatever happens meanwhile; folders are made.

    A file that holds the content already keeps its date, so that make does not remake what was made of it.
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
    """Write a record (nested dicts and lists of plain values); NaN and infinity become null, as JSON has neither."""
    write(RESULTS / f"{key}.json", json.dumps(_finite(record), allow_nan=False))


def _finite(value):
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load(key):
    """Return the record, with NaN for the nulls in its curves and scores; None if there is none that can be read."""
    try:
        record = json.loads((RESULTS / f"{key}.json").read_text())
    except (OSError, ValueError):
        return None
    for name, curve in record.get("curves", {}).items():
        record["curves"][name] = [math.nan if value is None else value for value in curve]
    for name, score in record.get("scores", {}).items():
        record["scores"][name] = math.nan if score is None else score
    return record


def current(code, fingerprint):
    """Return the records, without weights, of all results by one code_version of ``lib/nn`` on these data."""
    records = [load(path.stem) or {} for path in sorted(RESULTS.glob(f"*-{code}.json"))]
    for record in records:
        record.pop("weights", None)
    return [record for record in records if record.get("run", {}).get("fingerprint") == fingerprint]


def is_stale(key):
    """Return whether another ``lib/nn``, or other defaults, left a result under the experiment and data of a key."""
    return any(load(path.stem) for path in RESULTS.glob(f"{key.split('-')[0]}-*.json"))
