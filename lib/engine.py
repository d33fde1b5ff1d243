"""Runs experiments side by side, on the cores of this machine or on a Dask cluster, and keeps every result.

The environment variable SCHEDULER (``tcp://host:8786``) names a running Dask scheduler; without it a local cluster of
one process a core is started. One code path, and a killed worker costs a repeated pass, not the results.
"""

import atexit
import os
import platform
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from tqdm import tqdm

from lib import data, store
from lib.experiments import Experiment, code_version, key, shared, train

MOST_TRIALS = 16  # of one pass: more gain little speed and much memory

#: glibc keeps freed arrays for the next step instead of returning them to the kernel; Dask's own setting for its
#: workers does the opposite, which makes NumPy training 2.5 times slower
MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 28)}


class RunError(RuntimeError):
    """Some runs failed; those that finished are stored. The message says which and why."""


@dataclass(frozen=True)
class Result:
    """A finished run: what was asked, what came out (see experiments.train), how and when."""

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
    where it stopped. Raises RunError if a pass fails; the others are finished and stored first.
    """
    start, keys = time.perf_counter(), [key(e) for e in experiments]
    wanted = dict(zip(keys, experiments, strict=True))
    missing = {k: e for k, e in wanted.items() if store.load(k) is None}
    stale = sum(map(store.is_stale, missing))
    if missing:
        _train_missing(missing)
    print(
        f"{len(wanted)} runs: {len(wanted) - len(missing)} loaded, {len(missing)} trained"
        + (f" ({stale} of them were stale: trained by other numerical code)" if stale else "")
        + f", {time.perf_counter() - start:.1f} s",
        file=sys.stderr,
    )
    return [Result(e, k, **store.load(k)) for k, e in zip(keys, experiments, strict=True)]


def run_groups(groups):
    """Return {name: Results} for {name: experiments}, all trained in one ``run``."""
    results = iter(run([e for experiments in groups.values() for e in experiments]))
    return {name: [next(results) for _ in experiments] for name, experiments in groups.items()}


def passes(experiments, workers):
    """Return lists of experiments that share a pass, the longest first, about two passes a worker.

    A result does not depend on how runs are grouped, so the grouping may follow the number of workers.
    """
    groups = defaultdict(list)
    for experiment in experiments:
        groups[shared(experiment)].append(experiment)
    size = min(MOST_TRIALS, max(1, -(-len(experiments) // (2 * workers))))
    split = [group[i : i + size] for group in groups.values() for i in range(0, len(group), size)]
    return sorted(
        split,
        key=lambda p: -len(p) * p[0].total_updates * p[0].batch_size * (len(p[0].hidden) + 10 * p[0].batch_norm),
    )


def _train_missing(missing):
    """Train what is missing and store each pass as it finishes."""
    from distributed import (
        as_completed,  # here, because it takes a second to import and loading needs none of it
    )

    client = connect()
    keys = {experiment: k for k, experiment in missing.items()}
    fingerprints = {e.data: data.load(e.data).fingerprint for e in missing.values()}
    todo = passes(list(missing.values()), sum(client.nthreads().values()))
    failed = []
    total = sum(e.total_updates for e in missing.values())
    with tqdm(total=total, unit=" updates", unit_scale=True, desc=f"{len(missing)} runs", mininterval=1) as bar:
        client.subscribe_topic("updates", lambda event: bar.update(event[1]))
        futures = {client.submit(_pass, p, fingerprints, code_version(), pure=False): p for p in todo}
        for future in as_completed(futures):
            experiments = futures[future]
            if future.status == "finished":
                for experiment, record in zip(experiments, future.result(), strict=True):
                    store.save(keys[experiment], record)
            else:
                failed.append(f"{experiments[0]} and {len(experiments) - 1} more: {future.exception()!r}")
        client.unsubscribe_topic("updates")
    if failed:
        raise RunError(f"{len(failed)} of {len(todo)} passes failed (finished ones are stored): " + "; ".join(failed))


def _pass(experiments, fingerprints, code):
    """Train one pass on a worker and add how it was run; refuse other data or code than the driver's."""
    from distributed import get_worker

    name = experiments[0].data
    if data.load(name).fingerprint != fingerprints[name]:
        raise RunError(f"{platform.node()}: its {name} data differ from the driver's; give both the same files")
    if code_version() != code:
        raise RunError(
            f"{platform.node()}: its lib/ differs from the driver's; update the checkout, restart its workers"
        )
    worker, start = get_worker(), time.perf_counter()
    records = train(experiments, progress=lambda n: worker.log_event("updates", n * len(experiments)))
    how = {
        "seconds": (time.perf_counter() - start) / len(experiments),
        "trials": len(experiments),
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": platform.node(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "fingerprint": fingerprints[name],
        "experiment": asdict(experiments[0]),
    }
    return [r | {"run": how | {"experiment": asdict(e)}} for r, e in zip(records, experiments, strict=True)]


@cache
def connect():
    """Return the Dask client of this process: of the cluster named by SCHEDULER, or of a new local one."""
    import dask
    from distributed import Client, LocalCluster

    if address := os.environ.get("SCHEDULER"):
        client = Client(address)
    else:
        dask.config.set(
            {"distributed.nanny.pre-spawn-environ": dask.config.get("distributed.nanny.pre-spawn-environ") | MALLOC}
        )
        cluster = LocalCluster(threads_per_worker=1, n_workers=os.cpu_count(), dashboard_address=None, silence_logs=50)
        client = Client(cluster)
        atexit.register(cluster.close)
    atexit.register(client.close)
    return client
