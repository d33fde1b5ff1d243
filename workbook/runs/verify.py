"""Do the stored numbers come out again? ``make verify`` trains a random sample of the stored results once more.

Where NumPy, its BLAS kernel and the data are those that a result was made with, all its numbers must be equal to the
last bit. Elsewhere sums are rounded otherwise, and after thousands of updates that is like another seed: then the final
losses and accuracies must lie within the seed spread, t sqrt(2) s, where s is the standard deviation of the other
stored runs that differ from it in ``seed`` only, and t the quantile of Student's distribution that 99 % of differences
of two such runs stay below. Where fewer than three others are stored, 1 point of accuracy and 0.03 nats are allowed,
and 3 % of a loss above 1. A result of an earlier version does not tell its kernel: it is taken to be this one if any
such result comes out to the last bit.
"""

import argparse
import json
import math
import random
import signal
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy.special import stdtrit

from lib import data
from workbook.runs import engine, store
from workbook.runs.cluster import ClusterError
from workbook.runs.experiment import code_version, key, make
from workbook.runs.progress import Progress

CERTIFICATE = store.ROOT / "reports" / "verified.json"
TOLERANCE = {"accuracy": 0.01, "loss": 0.03}  # a fraction, nats
SAME = ("numpy", "kernel", "fingerprint")  # what gives the same bits, as the engine records it


def stored(dataset, keys=None):
    """Return {key: record} of the current results on a data set, and {key: what is wrong} of those that are damaged.

    keys: which are wanted, None for all. Records get their Experiment as "experiment".
    """
    there = {path.stem: path for path in sorted(store.RESULTS.glob(f"[!.]*-{code_version()}.json"))}
    records, damaged = {}, {}
    for k in there if keys is None else [k for k in there if k in keys]:
        record = store.load(k)
        try:
            experiment = make(record["run"]["experiment"])
            fits = record["run"]["fingerprint"] != dataset.fingerprint or key(experiment) == k
        except (ValueError, TypeError, KeyError):
            damaged[k] = "cannot be read"
            continue
        if experiment.data == dataset.name and not fits:
            damaged[k] = "its settings are not those of its name"
        elif experiment.data == dataset.name:
            records[k] = record | {"experiment": experiment}
    return records, damaged


def train_again(experiments):
    """Return {key: record, or an exception} of {key: Experiment}, trained now; nothing is stored."""
    found = {}
    with Progress(len(experiments), "verify") as progress:
        for keys, outcome in engine.training(experiments, progress):
            failed = isinstance(outcome, Exception)
            for k, record in zip(keys, [outcome] * len(keys) if failed else outcome, strict=True):
                found[k] = record
                progress.note(record if failed else SimpleNamespace(**record))
    return found


def judge(records, again):
    """Return {key: (how, what)} of records trained again: how is "bits" or "scores", what says what differs, or ""."""
    moved = {k: r if isinstance(r, Exception) else first_difference(records[k], r) for k, r in again.items()}
    ours = any(not moved[k] for k in again if "kernel" not in records[k]["run"])
    spreads, verdicts = seed_spreads(records), {}
    for k, what in moved.items():
        if isinstance(what, Exception):
            verdicts[k] = "bits", f"training it again failed: {what}"
            continue
        old, new = records[k]["run"], again[k]["run"]
        same = all(old[name] == new.get(name) for name in SAME if name in old) and ("kernel" in old or ours)
        outside = "" if same else too_far(records[k], again[k], spreads.get(k, {}))
        verdicts[k] = ("bits", what) if same or not what else ("scores", outside)
    return verdicts


def first_difference(old, new):
    """Return in words the first number in which two records differ; "" where they agree to the last bit."""
    if old["diverged"] != new["diverged"]:
        return "one of the two diverged"
    one, other = _numbers(old), _numbers(new)
    for name in one | other:
        a, b = one.get(name, np.array([])), other.get(name, np.array([]))
        if a.shape != b.shape:
            return f"{name}: {a.shape} numbers are stored, {b.shape} came out"
        if not np.array_equal(a, b, equal_nan=True):
            place = np.flatnonzero(~((a == b) | (np.isnan(a) & np.isnan(b))))[0]
            return f"{name}: {float(a.flat[place])!r} is stored, {float(b.flat[place])!r} came out"
    return ""


def _numbers(record):
    """Return {name: array} of all numbers of a record; what is not finite is NaN, as in a file."""
    parts = {f"{part} {name}": values for part in ("scores", "curves") for name, values in record[part].items()}
    parts |= {"weights": record["weights"]} if "weights" in record else {}
    arrays = {name: np.asarray(values, float) for name, values in parts.items()}  # None becomes NaN
    return {name: np.where(np.isfinite(array), array, np.nan) for name, array in arrays.items()}


def seed_spreads(records):
    """Return {key: {score: half-width}} of the runs of which at least three others differ in the seed only."""
    groups, spreads = defaultdict(dict), {}
    for k, record in records.items():
        groups[replace(record["experiment"], seed=0)][k] = record["scores"]
    for runs in groups.values():
        for k in runs if len(runs) > 3 else ():
            others = [scores for other, scores in runs.items() if other != k]
            t = stdtrit(len(others) - 1, 0.995)
            spreads[k] = {n: t * math.sqrt(2) * np.std([each[n] for each in others], ddof=1) for n in runs[k]}
    return spreads


def too_far(old, new, spread):
    """Return in words the first final loss or accuracy that moved further than its {score: half-width}, or ""."""
    for name, before in old["scores"].items():
        after, kind = new["scores"][name], name.rpartition("_")[2]
        if kind in TOLERANCE and not (math.isnan(before) and math.isnan(after)):
            within = spread.get(name, math.nan)
            within = TOLERANCE[kind] * max(1, abs(before)) if math.isnan(within) else within
            if not abs(after - before) <= within:
                return f"{name}: {before:.5g} is stored, {after:.5g} came out, more than {within:.2g} away"
    return ""


def verify(data_name, behind=None, share=0.05, seed=None):
    """Train a share of the stored results again, write the certificate, and return it as a dict.

    behind: the file in which make report notes what its notebooks asked for; all current results where there is none.
    seed: of the sample, drawn where it is None. Raises ValueError if there is nothing to verify, and what runs raise.
    """
    dataset, behind = data.load(data_name), Path(behind) if behind else None
    known = behind is not None and behind.exists()
    asked = {k for each in json.loads(behind.read_text()).values() for k in each["asked"]} if known else None
    records, damaged = stored(dataset, asked)
    if not records and not damaged:
        raise ValueError(f"no result of this lib/nn on {dataset.name} is stored; make report trains them")
    seed = random.randrange(10**6) if seed is None else seed
    sample = random.Random(seed).sample(sorted(records), math.ceil(share * len(records)))
    about = "the documents" if known else f"all results on {dataset.name}"
    print(f"verify: {about}, {len(records)} results, {len(sample)} of them trained again (SEED={seed})", flush=True)
    again = train_again({k: records[k]["experiment"] for k in sample})
    verdicts = judge(records, again)
    trained = [record["run"] for record in again.values() if not isinstance(record, Exception)]
    certificate = {
        "date": time.strftime("%Y-%m-%d %H:%M:%S"), "code": code_version(), "data": dataset.name,
        "fingerprint": dataset.fingerprint, "about": about, "stored": len(records), "share": share, "seed": seed,
        "machines": sorted({f"{r['machine']}, NumPy {r['numpy']}, {r.get('kernel', 'unknown')}" for r in trained}),
        "compared": {how: sum(each == how for each, _ in verdicts.values()) for how in ("bits", "scores")},
        "agree": {how: sum(each == (how, "") for each in verdicts.values()) for how in ("bits", "scores")},
        "differ": damaged | {k: what for k, (_, what) in verdicts.items() if what}, "sample": sorted(sample),
    }  # fmt: skip
    store.write(CERTIFICATE, json.dumps(certificate, indent=1) + "\n")
    return certificate


def told(certificate):
    """Return a certificate in a sentence or two of Markdown."""
    numbers = {"bits": "to the last bit", "scores": "within the spread of the seeds, as trained elsewhere"}
    compared, agree = certificate["compared"], certificate["agree"]
    parts = [f"{agree[how]} of {n} agree {numbers[how]}" for how, n in compared.items() if n]
    share = f"{len(certificate['sample'])} of {certificate['stored']} stored networks were trained again"
    where = f"{'; '.join(certificate['machines'])}; sample {certificate['seed']}, {certificate['date'][:10]}"
    return f"{share} ({where}): {', '.join(parts) or 'none can be compared'}."


def sentence(fingerprint):
    """Return what the appendix says of the last ``make verify`` of this lib/nn on these data."""
    try:
        certificate = json.loads(CERTIFICATE.read_text())
    except (OSError, ValueError):
        certificate = {}
    if (certificate.get("code"), certificate.get("fingerprint")) != (code_version(), fingerprint):
        return "Nobody has trained a sample of these networks again yet, which `make verify` does."
    wrong = f" Not the same: {', '.join(certificate['differ'])}." if certificate["differ"] else ""
    return told(certificate) + wrong


def _share(text):
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < share <= 1:
        raise ValueError
    return share


def main(argv=None):
    """Run the command line; return 0 if all agree, 1 if some do not, 2 for wrong input, 130 after an interruption."""
    parser = argparse.ArgumentParser(prog="make verify", usage="make verify [SHARE=5%] [SEED=1]")
    parser.add_argument("--data", default="auto")
    parser.add_argument("--behind")
    parser.add_argument("--share", default="5%")
    parser.add_argument("--seed", default="")
    arguments = parser.parse_args(argv)
    try:
        share = _share(arguments.share)
    except ValueError:
        print(f"verify: SHARE={arguments.share}: say a part such as 5% or 0.05, or 1 for all", file=sys.stderr)
        return 2
    if arguments.seed and not arguments.seed.isdigit():
        print(f"verify: SEED={arguments.seed}: say a whole number", file=sys.stderr)
        return 2
    try:
        certificate = verify(arguments.data, arguments.behind, share, int(arguments.seed) if arguments.seed else None)
    except (ValueError, data.DataError, ClusterError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"verify: {str(stop) or 'interrupted'}; {CERTIFICATE.name} is as it was", file=sys.stderr)
        return 130
    for k, what in certificate["differ"].items():
        print(f"{k}: {what}", file=sys.stderr)
    print(f"verify: {told(certificate)}")
    return 1 if certificate["differ"] else 0


if __name__ == "__main__":
    for signum in (signal.SIGTERM, signal.SIGHUP):  # the end of a batch job or of an ssh session
        signal.signal(signum, signal.default_int_handler)
    sys.exit(main())
