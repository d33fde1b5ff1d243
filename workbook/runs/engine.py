"""Runs experiments: loads what is stored, trains the rest side by side, and stores every result when it is there."""

import os
import platform
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np

from lib import data
from lib.nn.passes import train
from workbook.runs import store
from workbook.runs.cluster import IN_PROCESS, ClusterError, RunError, spread
from workbook.runs.cost import check_memory, kernel
from workbook.runs.experiment import Experiment, code_version, departures, key, make
from workbook.runs.passes import Queue
from workbook.runs.progress import Progress


@dataclass(frozen=True)
class Result:
    """A finished run: what was asked, what came out (see lib.nn.passes.train), how and when."""

    experiment: Experiment
    key: str
    diverged: bool
    curves: dict
    scores: dict
    run: dict  # "seconds" of its share of the pass, "date", "machine", "python", "numpy", "kernel", "fingerprint"

    @property
    def weights(self):
        """The first layer's weights (d_in, d_out) float64, where the experiment keeps them; read from the store."""
        return np.array(store.load(self.key)["weights"], float)


def run(experiments):
    """Return the Results of experiments in their order, training those that the store does not have.

    Says on stderr how many were loaded, how many trained, and how many of these were stale: stored, but by another
    ``lib/nn`` or with other defaults. An interrupted call goes on where it stopped. Raises RunError if a pass fails,
    after the others have been finished and stored; ClusterError; Interrupted.
    """
    start, keys = time.perf_counter(), [key(e) for e in experiments]
    wanted = dict(zip(keys, experiments, strict=True))
    progress = Progress(len(wanted), "runs")
    with progress.bar:
        found = dict(outcomes(wanted, progress))
    failed = [k for k, outcome in found.items() if isinstance(outcome, Exception)]
    if failed:
        first, error = departures(wanted[failed[0]]), found[failed[0]]
        what = ", ".join(f"{name}={value!r}" for name, value in first.items())
        counts = f"{len(failed)} of {len(found)} runs failed, the others are stored"
        raise RunError(f"{counts}; the first is {what}: {error!r}") from error
    stale = f" ({progress.stale} of them stale: stored by another lib/nn or other defaults)" if progress.stale else ""
    counts = f"{progress.counts['loaded']} loaded, {progress.counts['done']} trained{stale}"
    print(f"{len(wanted)} runs: {counts}, {time.perf_counter() - start:.1f} s", file=sys.stderr)
    return [found[k] for k in keys]


def run_groups(groups):
    """Return {name: Results} for {name: experiments}, all trained in one ``run``."""
    results = iter(run([e for experiments in groups.values() for e in experiments]))
    return {name: [next(results) for _ in experiments] for name, experiments in groups.items()}


def outcomes(wanted, progress):
    """Yield (key, Result or exception) for {key: experiment}: first what is stored, then each pass when it is finished.

    progress: a Progress. Raises ClusterError, Interrupted.
    """
    missing = {}
    for k, experiment in wanted.items():
        if result := _stored(k, experiment):
            yield k, progress.note(result, loaded=True)
        else:
            missing[k] = experiment
            progress.stale += store.is_stale(k)
            if os.environ.get("SCHEDULER", IN_PROCESS) == IN_PROCESS:
                check_memory(experiment)

    def arguments(keys):
        return [asdict(missing[k]) for k in keys], _version(missing[keys[0]].data)

    for keys, outcome in spread(_pass, Queue(missing), arguments, progress):
        failed = isinstance(outcome, Exception)
        for k, record in zip(keys, () if failed else outcome, strict=not failed):
            store.save(k, record)
        for k in keys:
            yield k, progress.note(outcome if failed else _stored(k, missing[k]))


def _stored(key, experiment):
    """Return the stored Result; None where there is none, or where it was trained with other defaults."""
    record = store.load(key)
    try:
        if not record or make(record["run"]["experiment"]) != experiment:
            return None
    except ValueError:  # it has a field, or a value, that there is no more
        return None
    record.pop("weights", None)  # a list of floats is large: Result.weights reads it when it is wanted
    return Result(experiment, key, **record)


def _version(data_name):
    """Return what must be the same on a worker as here."""
    return {"lib/nn": code_version(), "data": data.load(data_name).fingerprint}


def _pass(experiments, version, report):
    """Train one pass, experiments as dicts, on a worker; return the records, with how they were made."""
    start, done = time.perf_counter(), 0
    require(version, _version(experiments[0]["data"]))
    experiments = [make(settings) for settings in experiments]

    def progress(updates):
        nonlocal done
        done += updates
        report(len(experiments) * done / experiments[0].total_updates)

    records = train(experiments, data.load(experiments[0].data), progress)
    how = {
        "seconds": (time.perf_counter() - start) / len(experiments),
        "trials": len(experiments),
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": platform.node(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "kernel": kernel(),
        "fingerprint": version["data"],
    }
    return [r | {"run": how | {"experiment": asdict(e)}} for r, e in zip(records, experiments, strict=True)]


def require(driver, here):
    """Raise ClusterError, naming what differs, unless the driver's versions {what: version} are also this worker's."""
    differ = " and ".join(what for what in driver if driver[what] != here[what])
    if differ:
        raise ClusterError(f"its {differ} and the driver's differ; give it the same files and restart it")
