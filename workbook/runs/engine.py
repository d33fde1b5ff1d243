"""Runs experiments side by side, on the cores of this machine or on a Dask cluster, and keeps every result.

The environment variable SCHEDULER (``tcp://host:8786``) names a running Dask scheduler; without it a local cluster of
one process a core is started, with ``inproc`` this process does the work in a thread. One code path, and a killed
worker costs a repeated pass, not the results.
"""

import logging
import os
import platform
import signal
import sys
import time
from collections import defaultdict
from concurrent.futures import CancelledError
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec

import numpy as np

from lib import data
from lib.nn.passes import train
from workbook.runs import cores, store
from workbook.runs.experiment import Experiment, code_version, departures, key, shared
from workbook.runs.progress import Progress

MOST_TRIALS = 9  # of one pass: what more of them work on leaves the processor's cache


class RunError(RuntimeError):
    """Some runs failed; those that finished are stored. The message says which and why."""


class ClusterError(RuntimeError):
    """The cluster or a worker of it cannot be used; the message is one line: what, where, how to mend it."""


class Interrupted(RuntimeError):
    """The scheduler went away. What had finished is stored; the same call goes on from there."""


@dataclass(frozen=True)
class Result:
    """A finished run: what was asked, what came out (see passes.train), how and when."""

    experiment: Experiment
    key: str
    diverged: bool
    curves: dict
    scores: dict
    run: dict  # "seconds" of its share of the pass, "date", "machine", "python", "numpy", "fingerprint"
    weights: list | None = None  # of the first layer, where the experiment keeps them


def run(experiments):
    """Return the Results of experiments in their order, training those that the store does not have.

    Says on stderr how many were loaded and trained, and which were stale: trained by other numerical code. Experiments
    that differ in trial fields only share passes; finished passes are stored at once, so an interrupted call goes on
    where it stopped. Raises RunError if a pass fails, after the others were finished and stored; ClusterError;
    Interrupted.
    """
    start, keys = time.perf_counter(), [key(e) for e in experiments]
    wanted = dict(zip(keys, experiments, strict=True))
    stale = sum(store.is_stale(k) for k in wanted if not (store.RESULTS / f"{k}.json").exists())
    progress = Progress(len(wanted), "runs")
    with progress.bar:
        found = dict(outcomes(wanted, progress))
    if failed := [(wanted[k], outcome) for k, outcome in found.items() if isinstance(outcome, Exception)]:
        first, error = failed[0]
        others = f"{len(failed)} of {len(found)} runs failed, the others are stored; the first"
        raise RunError(f"{others} is {_differences(first)}: {error!r}") from error
    print(
        f"{len(wanted)} runs: {progress.counts['loaded']} loaded, {progress.counts['done']} trained"
        + (f" ({stale} of them were stale: trained by other numerical code)" if stale else "")
        + f", {time.perf_counter() - start:.1f} s",
        file=sys.stderr,
    )
    return [found[k] for k in keys]


def run_groups(groups):
    """Return {name: Results} for {name: experiments}, all trained in one ``run``."""
    results = iter(run([e for experiments in groups.values() for e in experiments]))
    return {name: [next(results) for _ in experiments] for name, experiments in groups.items()}


def outcomes(wanted, progress):
    """Yield (key, Result or exception) for {key: experiment}: what is stored, then each pass when it is.

    progress: a Progress. Raises ClusterError, Interrupted.
    """
    missing = []
    for k, experiment in wanted.items():
        if (record := store.load(k)) and Experiment(**record["run"]["experiment"]) == experiment:
            yield k, progress.note(Result(experiment, k, **record), loaded=True)
        else:
            missing.append(experiment)
    jobs = {}
    for experiments in passes(missing, sum(connect().nthreads().values()) or 1) if missing else ():
        version = {"lib/": code_version(), "data": data.load(experiments[0].data).fingerprint}
        jobs[tuple(map(key, experiments))] = [asdict(e) for e in experiments], version
    for keys, outcome in spread(_pass, jobs, progress) if jobs else ():
        failed = isinstance(outcome, Exception)
        for k, record in zip(keys, () if failed else outcome, strict=not failed):
            store.save(k, record)
        for k in keys:
            yield k, progress.note(outcome if failed else Result(wanted[k], k, **store.load(k)))


def passes(experiments, workers):
    """Return lists of experiments that share a pass, the longest first, one pass a worker or more.

    A result does not depend on how runs are grouped, so the grouping may follow the number of workers.
    """
    groups = defaultdict(list)
    for experiment in experiments:
        groups[shared(experiment)].append(experiment)
    size = min(MOST_TRIALS, -(-len(experiments) // workers))
    split = []
    for group in groups.values():
        parts = -(-len(group) // size)
        split += [group[i::parts] for i in range(parts)]  # of equal size but for one
    return sorted(split, key=_cost, reverse=True)


def _cost(experiments):
    """How long a pass takes, roughly: mini-batches are gathered once, the first layer outweighs all others together."""
    one = experiments[0]
    layers = 50 + (5 if one.batch_norm else 1) * len(one.hidden)
    return (len(experiments) + 0.7) * one.total_updates * one.batch_size * layers


def _pass(experiments, version, report):
    """Train one pass, experiments as dicts, on a worker and add how it was run."""
    start, done = time.perf_counter(), 0
    require(version, {"lib/": code_version(), "data": data.load(experiments[0]["data"]).fingerprint})
    experiments = [Experiment(**e) for e in experiments]

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
        "fingerprint": version["data"],
    }
    return [r | {"run": how | {"experiment": asdict(e)}} for r, e in zip(records, experiments, strict=True)]


def require(driver, here):
    """Raise ClusterError, naming what differs, unless the driver's versions {what: version} are also this worker's."""
    if differ := " and ".join(what for what in driver if driver[what] != here[what]):
        raise ClusterError(f"its {differ} and the driver's differ; give it the same files and restart it")


def spread(function, jobs, progress):
    """Call ``function(*arguments, report)`` for {job: arguments} on the workers; yield (job, value or exception).

    function: of a module, which each worker imports for itself; arguments and value: plain values, lists, dicts;
    ``report(runs)`` tells how many runs of the job are done. They come as they finish. A job whose worker dies is
    repeated elsewhere, up to three times. Jobs that were unlucky to be with one that kills its workers are not
    condemned with it: the suspects are repeated one by one. Raises ClusterError, Interrupted.
    """
    from distributed import KilledWorker, as_completed  # here: loading what is stored needs none of it

    client, topic, jobs = connect(), f"progress-{time.time_ns()}", list(jobs.items())
    task, batches, futures = _portable(function, topic, cores.locks()), [range(len(jobs))], {}
    client.subscribe_topic(topic, lambda event: progress.partly(*event[1]))
    try:
        for batch in batches:  # grows by the suspects
            futures = {client.submit(task, number, *jobs[number][1], pure=False): number for number in batch}
            for future in as_completed(list(futures)):
                number, outcome = futures.pop(future), _outcome(future)
                progress.partly(number, 0)
                if isinstance(outcome, KilledWorker) and batch is batches[0]:
                    batches.append([number])
                elif isinstance(outcome, KilledWorker):
                    yield jobs[number][0], RunError("it killed each worker that tried it (out of memory?)")
                else:
                    yield jobs[number][0], outcome
    finally:
        if client.status == "running":
            client.unsubscribe_topic(topic)
            client.cancel(list(futures))


def _portable(function, topic, locks):
    """A task that imports ``function`` where it runs, and marks an exception with the machine.

    The scheduler unpickles what it passes on (github.com/dask/distributed/issues/8304) and need not have this package:
    a function made here travels as its code, and all that it refers to are texts.
    """
    module, name, cores_module = function.__module__, function.__name__, cores.__name__

    def task(number, *arguments):
        import importlib
        import platform

        from distributed import get_worker

        log = get_worker().log_event
        try:
            call = getattr(importlib.import_module(module), name)
            with importlib.import_module(cores_module).one_of(locks):
                return call(*arguments, lambda runs: log(topic, (number, runs)))
        except Exception as error:
            error.add_note(f"worker on {platform.node()}")
            raise

    task.__name__ = name
    return task


def _outcome(future):
    """The value or the exception of a task; raises what is wrong with the cluster, not with the task."""
    from distributed.comm import CommClosedError

    try:
        return future.result()  # waits once more where a worker took a finished result with it
    except (CancelledError, CommClosedError):
        connect.cache_clear()
        raise Interrupted("the scheduler is gone") from None
    except (ClusterError, ImportError, data.DataError) as error:
        raise ClusterError(f"{error.__notes__[-1]}: {error}") from None
    except Exception as error:
        return error


def _differences(experiment):
    """The fields in which an experiment differs from the course's setting, in words."""
    return ", ".join(f"{name}={value!r}" for name, value in departures(experiment).items())


@cache
def connect():
    """Return the Dask client of this process: of the cluster named by SCHEDULER, or of a new local one.

    Raises ClusterError if no scheduler with a worker answers there.
    """
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster

    address = os.environ.get("SCHEDULER")
    if not address or address == "inproc":
        how = {"n_workers": 1, "processes": False} if address else {"n_workers": CPU_COUNT}
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the workers inherit it: Ctrl-C is for us alone
        try:
            cluster = LocalCluster(threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50, **how)
        finally:
            signal.signal(signal.SIGINT, handler)
        client = Client(cluster)
    else:
        for name in ("distributed", "distributed.client"):  # they print tracebacks; what matters is said here
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            client = Client(address, timeout=10)
            client.wait_for_workers(1, timeout=60)
        except (OSError, ValueError):
            ways = f"start it with make scheduler, workers with make workers SCHEDULER={address}"
            raise ClusterError(f"SCHEDULER={address}: no Dask scheduler with workers answers there; {ways}") from None
    if address != "inproc" and find_spec("bokeh"):  # without, the dashboard has no pages
        print(f"Dask's dashboard: {client.dashboard_link}", file=sys.stderr)
    return client
