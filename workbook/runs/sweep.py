"""Sweeps: one YAML file, many runs, one table.  ``python -m workbook.runs.sweep FILE``  or  ``make sweep SWEEP=FILE``

The README's section "Sweeps" explains the file. What a run gave is stored at once, and a search proposes the same runs
after the same results, so the same command goes on where it stopped.

Exit status: 0 all well (a diverged run is a finding), 1 some runs failed, 2 the user must change something,
3 interrupted, the same command goes on.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import signal
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from lib import data
from lib.choices import check_choice
from workbook.runs import cluster, engine, experiment, search, store
from workbook.runs.fields import build, setting, settle
from workbook.runs.passes import Queue
from workbook.runs.profiles import profiled
from workbook.runs.progress import Progress
from workbook.runs.yamlfile import load_yaml


class SweepError(ValueError):
    """The file of a sweep, or what it runs, must be changed; the message is one line that says how."""


@dataclass
class Sweep:
    """What the file of a sweep says. Raises ValueError."""

    run: str = setting("experiment", str)  # or the path of a notebook in the project
    parameters: dict = None  # a space as workbook.runs.search has it
    method: str = setting("grid", search.METHODS)
    trials: int | None = setting(None, int, 1)
    generation: int = setting(8, int, 1)  # trials that narrow and tpe propose together: of the search, not the machine
    metric: dict = None  # {"name": ..., "goal": "maximize" or "minimize"}; narrow and tpe need it
    seed: int = setting(0, int)

    def __post_init__(self):
        settle(self)
        if not isinstance(self.parameters, dict):
            raise ValueError(f"parameters = {self.parameters!r}, allowed: names, each with value or values or a range")
        if self.run != "experiment" and not self.run.endswith(".ipynb"):
            raise ValueError(f"run = {self.run!r}, allowed: experiment, or the path of a notebook")
        needs_metric = self.method in ("narrow", "tpe") or self.metric is not None
        if needs_metric and (not isinstance(self.metric, dict) or self.metric.keys() != {"name", "goal"}):
            raise ValueError(f"metric = {self.metric!r}, allowed with method {self.method}: {{name: ..., goal: ...}}")
        if needs_metric:
            check_choice("goal", self.metric["goal"], ("maximize", "minimize"))
        if needs_metric and self.run == "experiment":
            check_choice("metric", self.metric["name"], store.SCORES)
        self.metric = self.metric or {}

    def search(self, evaluate):
        """Call ``evaluate(parameter sets) -> scores`` as workbook.runs.search does."""
        how = {"trials": self.trials, "generation": self.generation, "seed": self.seed}
        search.search(self.method, self.parameters, evaluate, goal=self.metric.get("goal", "maximize"), **how)


def load(path):
    """Return the Sweep that a YAML file describes, its ``kind`` (what it runs) and ``folder`` (where its table goes).

    All runs that the search would propose if every score were 0 are made, but none is trained, so that a wrong value is
    told at once. Raises SweepError.
    """

    def evaluate(sets):
        for parameters in sets:
            sweep.kind.make(parameters)
        return [0.0] * len(sets)

    try:
        content, _ = load_yaml(path)
        sweep = build(Sweep, "key", content)
        sweep.folder = store.REPORTS / "sweeps" / Path(path).stem
        sweep.kind = Experiments() if sweep.run == "experiment" else Notebook(sweep.run, sweep.folder)
        sweep.search(evaluate)
        return sweep
    except (TypeError, ValueError) as error:
        message = " ".join(str(error).split())
        raise SweepError(message if message.startswith(str(path)) else f"{path}: {message}") from None


class Experiments:
    """``run: experiment``: the parameters are ``profile`` and the fields of Experiment; ``data`` may be "auto"."""

    key, outcomes = staticmethod(experiment.key), staticmethod(engine.outcomes)

    @staticmethod
    def make(parameters):
        """Return the Experiment. Raises ValueError."""
        values = {"data": "auto"} | parameters
        profile = values.pop("profile", "full")
        return profiled(experiment.make(values | {"data": _data_name(values["data"])}), profile)


@dataclass
class Notebook:
    """``run: notebooks/NN-topic.ipynb``: its parameters, the numbers that it records; executed copies are the store."""

    path: str  # in the project
    folder: Path

    def make(self, parameters):
        """Return all parameters as the notebook takes them. Raises ValueError."""
        from workbook.report.execute import ReportError, check_parameters, defaults  # papermill takes a second

        notebook = store.ROOT / self.path
        try:
            values = defaults(notebook) | check_parameters(notebook, parameters)
        except ReportError as error:
            raise ValueError(error) from None
        if "data" in values:
            values["data"] = _data_name(values["data"])
        return values

    def key(self, parameters):
        """Return the name of the executed copy."""
        return _hash([self.path, parameters, versions(self.path, parameters)])

    def outcomes(self, wanted, progress):
        """Yield (key, Result or exception) for {key: parameters}: what is stored, then each as it finishes."""
        missing = {}
        for k, parameters in wanted.items():
            if result := self._stored(k, parameters):
                yield k, progress.note(result, loaded=True)
            else:
                missing[k] = parameters

        def arguments(keys):
            parameters = missing[keys[0]]
            return self.path, parameters, versions(self.path, parameters), keys[0]

        each_alone = Queue(missing, alike=str, cost=lambda _: 1.0, most=lambda _: 1)
        for (k,), outcome in cluster.spread(execute, each_alone, arguments, progress):
            if not isinstance(outcome, Exception):
                text, error = outcome
                store.write(self.folder / ("failed" if error else "") / f"{k}.ipynb", text)
                outcome = cluster.RunError(error) if error else self._stored(k, missing[k])
            yield k, progress.note(outcome)

    def _stored(self, k, parameters):
        """Return the Result in an executed copy; None where there is none that can be read."""
        try:
            notebook = json.loads((self.folder / f"{k}.ipynb").read_text())
        except (OSError, ValueError):
            return None
        outputs = [output.get("data", {}) for cell in notebook["cells"] for output in cell.get("outputs", ())]
        recorded = [value for each in outputs for kind, value in each.items() if kind.endswith("record+json")]
        scores = {name: value for each in recorded for name, value in each.items()}
        return engine.Result(parameters, k, None in scores.values(), {}, scores, notebook["metadata"]["run"])


def versions(notebook, parameters):
    """Return hashes of a notebook, the project's code and the data, as the files are now: a kernel reads them anew."""
    cells = json.loads((store.ROOT / notebook).read_text())["cells"]
    modules = sorted([*(store.ROOT / "lib").rglob("*.py"), *(store.ROOT / "workbook").rglob("*.py")])
    return {
        "notebook": _hash([cell["source"] for cell in cells if cell["cell_type"] == "code"]),
        "code": _hash([path.read_text() for path in modules]),
        "data": data.load(parameters["data"]).fingerprint if "data" in parameters else None,
    }


@cache
def _data_name(name):
    """Return what "auto" stands for: the same for all runs, and said once."""
    return data.load(name).name


def _hash(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def execute(notebook, parameters, version, k, report):
    """Execute a notebook on a worker; return the text of its executed copy, and its error or None."""
    from workbook.report.execute import ReportError, execute

    engine.require(version, versions(notebook, parameters))
    start, error = time.perf_counter(), None
    with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        # What the kernel trains it trains itself: on this cluster its passes could wait for ever behind notebooks that
        # wait for theirs, and processes of its own would crowd the core that this worker stands for.
        os.environ |= {"SCHEDULER": cluster.IN_PROCESS, "WORKBOOK_REPORTS": f"{folder}/reports"}
        out = Path(folder) / f"{k}.ipynb"
        try:
            execute(store.ROOT / notebook, out, parameters)
        except ReportError as failure:
            out, error = out.parent / "failed" / out.name, str(failure).replace(f"{folder}/", "")
        content = json.loads(out.read_text())
    content["metadata"]["run"] = {"seconds": time.perf_counter() - start}
    return json.dumps(content, indent=1), error


def run(sweep, progress):
    """Run what is missing of a sweep, write its table and plots, and return the table.

    One row a run: parameters, metrics, status ("done", "diverged", "failed"), seconds, key, error. The table is written
    also when the sweep is stopped. Raises SweepError for a metric that the runs lack, and what the engine raises.
    """
    rows, metrics, metric = {}, {}, sweep.metric.get("name")

    def evaluate(sets):
        made = [sweep.kind.make(parameters) for parameters in sets]
        keys = [sweep.kind.key(each) for each in made]
        rows.update({k: rows.get(k, {}) for k in keys})  # in the order in which they are proposed
        for k, outcome in sweep.kind.outcomes(dict(zip(keys, made, strict=True)), progress):
            rows[k] = sets[keys.index(k)] | _row(outcome) | {"key": k}
            metrics.update(dict.fromkeys(getattr(outcome, "scores", ())))
            if metric and metrics and metric not in metrics:
                raise SweepError(f"metric {metric}: the runs give {', '.join(metrics)}")
        return [rows[k].get(metric, math.nan) if rows[k]["status"] == "done" else math.nan for k in keys]

    try:
        sweep.search(evaluate)
    finally:
        columns = dict.fromkeys([*sweep.parameters, *metrics, "status", "seconds", "key", "error"])
        table = pd.DataFrame(filter(None, rows.values()), columns=list(columns))
        store.write(sweep.folder / "table.csv", table.to_csv(index=False))
    for each in metrics:
        store.write(sweep.folder / f"{each}.svg", _picture(table, each, sweep.parameters))
    return table


def _row(outcome):
    """Return what the table says of an outcome."""
    if isinstance(outcome, Exception):
        kind = "" if isinstance(outcome, cluster.RunError) else f"{type(outcome).__name__}: "
        return {"status": "failed", "error": kind + " ".join(str(outcome).split())}
    return outcome.scores | {"status": "diverged" if outcome.diverged else "done", "seconds": outcome.run["seconds"]}


def _picture(table, metric, space):
    """Return the SVG of a metric over each parameter that varies, runs as points."""
    from matplotlib.figure import Figure

    varied = [name for name, domain in space.items() if "value" not in domain] or ["key"]
    fig = Figure(figsize=(6, 2.7), layout="constrained")
    axes = fig.subplots(1, len(varied), sharey=True, squeeze=False)
    for ax, name in zip(axes[0], varied, strict=True):
        numbers = table[name].map(lambda value: type(value) in (int, float)).all()
        ax.plot(table[name] if numbers else table[name].astype(str), table[metric], "o", ms=4)
        ax.set_xlabel(name)
        if space.get(name, {}).get("distribution") == "log_uniform_values":
            ax.set_xscale("log")
    axes[0, 0].set_ylabel(metric)
    svg = io.StringIO()
    fig.savefig(svg, format="svg")
    return svg.getvalue()


def main(arguments):
    """Run the command line; return the exit status."""
    if len(arguments) != 1:
        print("usage: python -m workbook.runs.sweep FILE.yaml (notebooks/sweeps/ has some)", file=sys.stderr)
        return 2
    name, progress = Path(arguments[0]).stem, "nothing is"
    try:
        sweep = load(arguments[0])
        total = sweep.trials or math.prod(len(domain.get("values", [0])) for domain in sweep.parameters.values())
        progress = Progress(total, name, **sweep.metric)
        with progress.bar:
            table = run(sweep, progress)
    except (SweepError, data.DataError, cluster.ClusterError, OSError) as error:
        print(f"sweep: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, cluster.Interrupted) as error:
        print(f"sweep: {str(error) or 'stopped'}; {progress} stored; the same command goes on", file=sys.stderr)
        return 3
    failed = table[table["status"] == "failed"]
    for row in failed.to_dict("records"):
        print(f"failed: {', '.join(f'{n}={row[n]}' for n in sweep.parameters)}: {row['error']}", file=sys.stderr)
    print(f"{name}: {progress} -> {os.path.relpath(sweep.folder)}/table.csv")
    return 1 if len(failed) else 0


if __name__ == "__main__":
    from workbook.runs import sweep  # the module that workers import

    for signum in (signal.SIGTERM, signal.SIGHUP):  # the end of a batch job or of an ssh session
        signal.signal(signum, signal.default_int_handler)
    sys.exit(sweep.main(sys.argv[1:]))
