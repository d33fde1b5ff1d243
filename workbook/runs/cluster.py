"""Jobs for the cores of this machine or for a Dask cluster: a worker that is killed costs a repeated job, nothing else.

The environment variable SCHEDULER (``tcp://host:8786``) names a running Dask scheduler. Without it a local cluster of
one process a core is started; IN_PROCESS has this process do the work in a thread.
"""

import logging
import os
import signal
import sys
import time
from concurrent.futures import CancelledError
from contextlib import closing, suppress
from functools import cache
from importlib.util import find_spec
from multiprocessing import resource_tracker
from typing import IO, NamedTuple

from lib.data import DataError
from workbook.runs.cores import Share

IN_PROCESS = "inproc"


class RunError(RuntimeError):
    """Some runs failed; those that finished are stored. The message says which and why."""


class ClusterError(RuntimeError):
    """The cluster or a worker of it cannot be used; the message is one line: what, where, how to mend it."""


class Interrupted(KeyboardInterrupt):
    """Somebody stopped the runs, or the scheduler went away. What had finished is stored; the same call goes on."""

    def _render_traceback_(self):
        """What a notebook shows below the cell: one line, as nothing is wrong with the code."""
        return [str(self)]


KILLER = RunError("it killed each worker that tried it (out of memory?)")


class Job(NamedTuple):
    """Runs that a worker trains together."""

    number: int
    keys: list
    flop: float
    core: IO  # the locked file of the core that it runs on
    alone: bool  # whether its worker died and it is tried once more

    def left(self, progress):
        """Return the FLOP that are left."""
        return self.flop * (1 - progress.underway.get(self.number, 0) / len(self.keys))


def spread(function, queue, arguments, progress):
    """Call ``function(*arguments(keys), report)`` on the workers for all runs of a passes.Queue.

    Yields (keys, value or exception). function: of a module, which every worker imports for itself; arguments and
    value: plain values, lists, dicts; ``report(runs)`` tells how many of the runs are done.

    On this machine a job waits for a free core, and is at most one core's part of all the work that is left then, so
    that the cores finish together. A job whose worker dies is repeated elsewhere, up to three times; then it is tried
    once more when all others are done, as one of them may have killed the worker. Whoever leaves before all is done,
    by Ctrl-C or by an error, ends the jobs: see ``_stop``. Raises ClusterError, Interrupted.
    """
    if not queue:
        return  # without a cluster, and without the second that importing Dask takes
    progress.say("starts Dask")
    from dask.system import CPU_COUNT
    from distributed import KilledWorker

    client, topic = connect(), f"progress-{time.time_ns()}"
    task, local = _portable(function, topic), _is_local(client)
    workers = CPU_COUNT if local else sum(client.nthreads().values()) or 1
    client.subscribe_topic(topic, lambda event: progress.partly(*event[1]))
    jobs, suspects, number = {}, [], 0
    try:
        with closing(Share(0 if os.environ.get("SCHEDULER") else workers)) as share:
            while queue or jobs or suspects:
                if local:
                    _staff(client.cluster)
                work = queue.work + sum(job.left(progress) for job in jobs.values())
                share.announce(work)
                while (queue or (suspects and not jobs)) and (core := share.take()):
                    alone, number = not queue, number + 1
                    keys, flop = suspects.pop() if alone else queue.next((work + share.others()) / workers)
                    # in this order: those submitted within fifo_timeout would start in any
                    future = client.submit(task, number, *arguments(keys), pure=False, fifo_timeout=0)
                    jobs[future] = Job(number, keys, flop, core, alone)
                running = sum(len(job.keys) for job in jobs.values())
                progress.say(_doing(client, share, running), work, max(1, len(queue) + running))
                for future in [each for each in jobs if each.done()]:
                    job, outcome = jobs.pop(future), _outcome(future)
                    job.core.close()
                    progress.partly(job.number, 0)
                    if isinstance(outcome, KilledWorker) and not job.alone:
                        suspects.append((job.keys, job.flop))
                        continue
                    yield job.keys, KILLER if isinstance(outcome, KilledWorker) else outcome
                time.sleep(0.05)
    finally:
        if client.status == "running":
            client.unsubscribe_topic(topic)
        if jobs:
            _stop(client, jobs)


def _doing(client, share, running):
    """Return in words what the jobs do now, ``running`` runs."""
    if not running:
        return f"waits for a core (taken by {', '.join(share.holders())})"
    if _is_local(client) and not client.cluster.scheduler.workers:
        return "starts workers"
    return f"{running} in training"


def _stop(client, futures):
    """End jobs that nobody waits for any more.

    Worker processes of this machine are killed; the next call starts others. A pass in this process, or on another
    machine, ends at its next log point: see ``_portable``.
    """
    if _is_local(client):
        for nanny in list(client.cluster._created):  # in its ``workers`` they are only when all have started
            if pid := nanny.pid:
                nanny.close_gracefully()  # it would start another worker, which is not needed before the next call
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    if client.status == "running":
        client.cancel(list(futures))


def _staff(cluster):
    """Start the workers of a local cluster, later those that are missing because they were stopped or failed to start.

    One that dies in between is replaced by Dask.
    """
    from dask.system import CPU_COUNT

    for name, nanny in list(cluster.workers.items()):
        if nanny.status.name in ("closing_gracefully", "closing", "closed", "failed"):
            cluster.worker_spec.pop(name, None)
    if len(cluster.worker_spec) < CPU_COUNT:
        cluster.scale(CPU_COUNT)


def _is_local(client):
    """Return whether the workers are processes that this one has started."""
    return client.cluster is not None and os.environ.get("SCHEDULER") != IN_PROCESS


def _portable(function, topic):
    """Return a task that imports ``function`` where it runs, and marks an exception with the machine.

    The scheduler unpickles what it passes on (github.com/dask/distributed/issues/8304) and need not have this package.
    A function made here travels as its code, and refers to nothing but strings. When its driver cancels it, or dies,
    it ends at the next report.
    """
    module, name = function.__module__, function.__name__

    def task(number, *arguments):
        import importlib
        import platform

        from distributed import get_worker

        worker = get_worker()
        this = worker.state.tasks[worker.get_current_task()]

        def report(runs):
            if this.state == "cancelled":
                raise RuntimeError("cancelled")
            worker.log_event(topic, (number, runs))

        try:
            return getattr(importlib.import_module(module), name)(*arguments, report)
        except Exception as error:
            error.add_note(f"worker on {platform.node()}")
            raise

    task.__name__ = name
    return task


def _outcome(future):
    """Return the value or the exception of a task; raise what is wrong with the cluster and not with the task."""
    from distributed.comm import CommClosedError

    try:
        return future.result()  # waits once more where a worker took a finished result with it
    except (CancelledError, CommClosedError):
        connect.cache_clear()
        raise Interrupted("the scheduler is gone") from None
    except (ClusterError, ImportError, DataError) as error:
        raise ClusterError(f"{error.__notes__[-1]}: {error}") from None
    except Exception as error:
        return error


@cache
def connect():
    """Return the Dask client of this process: of the cluster named by SCHEDULER, or of a new local one.

    The workers of a local one may still be starting. Raises ClusterError if no scheduler with a worker answers there.
    """
    from distributed import Client, LocalCluster

    address = os.environ.get("SCHEDULER")
    if address and address != IN_PROCESS:
        client = _reach(address)
    else:
        logging.getLogger("tornado.application").setLevel(logging.CRITICAL)  # of workers that fail to start; see _staff
        how = {"n_workers": 1, "processes": False} if address else {"n_workers": 0}
        client = Client(LocalCluster(threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50, **how))
        # The thread that starts workers hands down to them that they do not get SIGINT: Ctrl-C is for us alone. The
        # first of them would make multiprocessing start a process of its own, which undoes that for the thread.
        resource_tracker.ensure_running()
        client.cluster.loop.add_callback(signal.pthread_sigmask, signal.SIG_BLOCK, [signal.SIGINT])
    if address != IN_PROCESS and find_spec("bokeh"):  # without, the dashboard has no pages
        print(f"Dask's dashboard: {client.dashboard_link}", file=sys.stderr)
    return client


def _reach(address):
    """Return the client of the scheduler at an address. Raises ClusterError if none with a worker answers there."""
    from distributed import Client

    for name in ("distributed", "distributed.client"):  # they print tracebacks; what matters is said here
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=10)
        client.wait_for_workers(1, timeout=60)
    except (OSError, ValueError):
        ways = f"start it with make scheduler, workers with make workers SCHEDULER={address}"
        raise ClusterError(f"SCHEDULER={address}: no Dask scheduler with workers answers there; {ways}") from None
    return client
