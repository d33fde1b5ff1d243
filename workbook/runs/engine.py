"""Runs experiments: loads what is stored, trains the rest side by side, and stores every result when it is there."""

import os
import platform
import time
from dataclasses import asdict, dataclass

import numpy as np

from lib import data
from lib.nn.passes import train
from workbook.runs import store
from workbook.runs.cluster import IN_PROCESS, ClusterError, Interrupted, RunError, spread
from workbook.runs.cost import check_memory, flop, kernel
from workbook.runs.experiment import Experiment, code_version, departures, key, make
from workbook.runs.passes import Queue
from workbook.runs.progress import Progress
from workbook.runs.trained import network_of


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

    def network(self):
        """Return the trained network with its images, a workbook.runs.trained.TrainedNetwork.

        It is trained again: a second in the quick profile, up to a minute in the full one. If its numbers are not the
        stored ones to the last bit, as with another version of NumPy or another processor, a line says so. Where the
        experiment has ``keep_weights``, the network is stored then, and read the next time.
        """
        return network_of(self)


def run(experiments):
    """Return the Results of experiments in their order, training those that the store does not have.

    experiments: a list, or a single one, which gives a list of one. Says in the end how many were loaded, how many
    trained, and how many of these were stale: stored, but by another ``lib/nn`` or with other defaults. An interrupted
    call goes on where it stopped. Raises RunError if a pass fails, after the others have been finished and stored;
    ClusterError; Interrupted; TypeError for anything but experiments.
    """
    experiments = _listed(experiments)
    start, keys = time.perf_counter(), [key(e) for e in experiments]
    wanted = dict(zip(keys, experiments, strict=True))
    with Progress(len(wanted), "runs") as progress:
        try:
            found = dict(outcomes(wanted, progress))
        except KeyboardInterrupt as stop:
            stored = sum(store.load(k) is not None for k in wanted)
            what = str(stop) or "interrupted"
            raise Interrupted(f"{what}, {stored} of {len(wanted)} stored; run again to go on") from None
        failed = [k for k, outcome in found.items() if isinstance(outcome, Exception)]
        if failed:
            first, error = departures(wanted[failed[0]]), found[failed[0]]
            what = ", ".join(f"{name}={value!r}" for name, value in first.items())
            counts = f"{len(failed)} of {len(found)} runs failed, the others are stored"
            raise RunError(f"{counts}; the first is {what}: {error!r}") from error
        stale = f" ({progress.stale} of them stale: stored by another lib/nn or other defaults)"
        counts = (
            f"{progress.counts['loaded']} loaded, {progress.counts['done']} trained{stale if progress.stale else ''}"
        )
        progress.end(f"{len(wanted)} runs: {counts}, {time.perf_counter() - start:.1f} s")
    return [found[k] for k in keys]


def run_groups(groups):
    """Return {name: Results} for {name: experiments}, all trained in one ``run``."""
    groups = {name: _listed(experiments) for name, experiments in groups.items()}
    results = iter(run([e for experiments in groups.values() for e in experiments]))
    return {name: [next(results) for _ in experiments] for name, experiments in groups.items()}


def _listed(experiments):
    """Return a list of experiments; raises TypeError for anything else."""
    experiments = [experiments] if isinstance(experiments, Experiment) else list(experiments)
    for each in experiments:
        if not isinstance(each, Experiment):
            raise TypeError(f"run takes Experiments, such as vary(course, seed=range(5)), and got {each!r}")
    return experiments


def outcomes(wanted, progress):
    """Yield (key, Result or exception) for {key: experiment}: first what is stored, then each pass when it is finished.

    progress: a Progress. Raises ClusterError, Interrupted.
    """
    missing = {}
    if progress.where == "file":
        progress.ask({k: flop(experiment) for k, experiment in wanted.items()})
    for k, experiment in wanted.items():
        progress.say("loads what is stored")
        if result := _stored(k, experiment):
            yield k, progress.note(result, loaded=True)
        else:
            missing[k] = experiment
            progress.stale += "WORKBOOK_FRESH" not in os.environ and store.is_stale(k)
            if os.environ.get("SCHEDULER", IN_PROCESS) == IN_PROCESS:
                check_memory(experiment)
    for keys, outcome in training(missing, progress):
        failed = isinstance(outcome, Exception)
        for k, record in zip(keys, () if failed else outcome, strict=not failed):
            store.save(k, record)
        for k in keys:
            yield k, progress.note(outcome if failed else _stored(k, missing[k]))


def training(experiments, progress):
    """Train {key: experiment} side by side; yield (keys, records or an exception) of each pass, which nobody stores."""

    def arguments(keys):
        return [asdict(experiments[k]) for k in keys], _version(experiments[keys[0]].data)

    return spread(_pass, Queue(experiments), arguments, progress)


def _stored(key, experiment):
    """Return the stored Result; None where there is none, or one with other defaults, or older than WORKBOOK_FRESH."""
    record = store.load(key)
    try:
        if not record or make(record["run"]["experiment"]) != experiment:
            return None
        if record["run"]["date"] < os.environ.get("WORKBOOK_FRESH", ""):
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
