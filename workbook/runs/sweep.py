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
import re
import signal
import sys
import time
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import yaml

from lib import data
from lib.choices import check_choice
from workbook.report.display import RECORD
from workbook.report.notebook import ReportError
from workbook.runs import engine, profiles, search, store
from workbook.runs import experiment as experiments
from workbook.runs.progress import Progress


class SweepError(ValueError):
    """The file of a sweep, or what it runs, must be changed; the message is one line that says how."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes 1e-5 for a text, where people and YAML 1.2 see a number."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), "-+0123456789")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What the file of a sweep says. Raises SweepError."""

    name: str
    run: str = None  # "experiment" or the path of a notebook
    parameters: dict = None  # a space as workbook.runs.search has it
    method: str = "grid"
    trials: int | None = None
    generation: int = 8  # trials that narrow and tpe propose together: of the search, whatever the cores
    metric: dict = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self):
        for f in fields(self):
            if not isinstance(value := getattr(self, f.name), f.type):
                raise SweepError(f"{f.name} must be {getattr(f.type, '__name__', f.type)}, got {value!r}")
        if self.run != "experiment" and not self.run.endswith(".ipynb"):
            raise SweepError(f"run must be experiment or the path of a notebook, got {self.run}")
        if (self.metric or self.method in ("narrow", "tpe")) and self.metric.keys() != {"name", "goal"}:
            raise SweepError(f"metric must be {{name: ..., goal: ...}} for method {self.method}, got {self.metric}")
        check_choice("goal", self.metric.get("goal", "maximize"), ("maximize", "minimize"))
        if self.metric and self.run == "experiment":
            scores = [
                f"{part}_{score}" for part in ("train", "validation", "test") for score in ("loss", "cost", "accuracy")
            ]
            check_choice("metric", self.metric["name"], scores)

    @property
    def kind(self):
        """What is run: Experiments or a Notebook."""
        return Experiments if self.run == "experiment" else Notebook(self.run, self.folder)

    @property
    def folder(self):
        """Where table, plots and executed notebooks go."""
        return store.REPORTS / "sweeps" / self.name

    def search(self, evaluate):
        """Call ``evaluate(parameter sets) -> scores`` as workbook.runs.search does."""
        how = {name: getattr(self, name) for name in ("trials", "generation", "seed")}
        search.search(self.method, self.parameters, evaluate, goal=self.metric.get("goal", "maximize"), **how)


def load(path):
    """Return the Sweep that a YAML file describes, after a search without training. Raises SweepError."""

    def pretend(sets):
        for parameters in sets:
            sweep.kind.make(parameters)
        return [0.0] * len(sets)

    try:
        content = yaml.load(Path(path).read_text(), _Loader)
        if not isinstance(content, dict):
            raise SweepError("it must hold lines like run: experiment")
        for word in content:
            check_choice("key", word, [f.name for f in fields(Sweep) if f.name != "name"])
        sweep = Sweep(name=Path(path).stem, **content)
        sweep.search(pretend)
        return sweep
    except (OSError, TypeError, ValueError, yaml.YAMLError, ReportError) as error:
        raise SweepError(f"{path}: {' '.join(str(error).split())}") from None


class Experiments:
    """``run: experiment``: the parameters are ``profile`` and the fields of Experiment; ``data`` may be "auto"."""

    key, outcomes = staticmethod(experiments.key), staticmethod(engine.outcomes)

    @staticmethod
    def make(parameters):
        """Return the Experiment. Raises ValueError."""
        values = {"profile": "full", "data": "auto"} | parameters
        for name in values:
            check_choice("parameter", name, ["profile", *(f.name for f in fields(experiments.Experiment))])
        values["data"], profile = _data_name(values["data"]), values.pop("profile")
        return profiles.profiled(experiments.Experiment(**values), profile)


@dataclass(frozen=True)
class Notebook:
    """``run: notebooks/NN-topic.ipynb``: its parameters, the numbers that it records; executed copies are the store."""

    path: str  # in the project
    folder: Path

    def make(self, parameters):
        """Return all parameters as the notebook takes them. Raises ReportError."""
        from workbook.report.execute import check_parameters, defaults  # papermill takes a second to import

        values = defaults(store.ROOT / self.path) | check_parameters(store.ROOT / self.path, parameters)
        return values | ({"data": _data_name(values["data"])} if "data" in values else {})

    def key(self, parameters):
        """Return the name of the executed copy."""
        return _hash([self.path, parameters, versions(self.path, parameters)])

    def outcomes(self, wanted, progress):
        """Yield (key, Result or exception) for {key: parameters}: what is stored, then each as it finishes."""
        stored = {k: result for k, parameters in wanted.items() if (result := self._stored(k, parameters))}
        for k, result in stored.items():
            yield k, progress.note(result, loaded=True)
        jobs = {k: (self.path, p, versions(self.path, p), k) for k, p in wanted.items() if k not in stored}
        for k, outcome in engine.spread(execute, jobs, progress) if jobs else ():
            if not isinstance(outcome, Exception):
                text, error = outcome
                store.write(self.folder / ("failed" if error else "") / f"{k}.ipynb", text)
                outcome = engine.RunError(error) if error else self._stored(k, wanted[k])
            yield k, progress.note(outcome)

    def _stored(self, k, parameters):
        """The Result in an executed copy, None where there is none that can be read."""
        try:
            notebook = json.loads((self.folder / f"{k}.ipynb").read_text())
        except (OSError, ValueError):
            return None
        outputs = [output.get("data", {}) for cell in notebook["cells"] for output in cell.get("outputs", ())]
        scores = {name: value for each in outputs for name, value in each.get(RECORD, {}).items()}
        return engine.Result(parameters, k, None in scores.values(), {}, scores, notebook["metadata"]["run"])


def versions(notebook, parameters):
    """Return hashes of a notebook's code, lib/ and the data, as the files are now: a kernel reads them anew."""
    cells = json.loads((store.ROOT / notebook).read_text())["cells"]
    package = [path.read_text() for path in sorted((store.ROOT / "lib").rglob("*.py"))]
    return {
        "notebook": _hash([cell["source"] for cell in cells if cell["cell_type"] == "code"]),
        "lib/": _hash(package),
        "data": data.load(parameters["data"]).fingerprint if "data" in parameters else None,
    }


@cache
def _data_name(name):
    """What "auto" stands for: the same for all runs, and said once."""
    return data.load(name).name


def _hash(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def execute(notebook, parameters, version, k, report):
    """Execute a notebook on a worker; return the text of its executed copy, and its error or None."""
    from workbook.report.execute import execute

    engine.require(version, versions(notebook, parameters))
    start, error = time.perf_counter(), None
    with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        # What the kernel trains it trains itself: on this cluster its passes could wait for ever behind notebooks that
        # wait for theirs, and processes of its own would crowd the core that this worker stands for.
        os.environ |= {"SCHEDULER": "inproc", "WORKBOOK_REPORTS": f"{folder}/reports"}
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
    """What the table says of an outcome."""
    if isinstance(outcome, Exception):
        kind = "" if isinstance(outcome, engine.RunError) else f"{type(outcome).__name__}: "
        return {"status": "failed", "error": kind + " ".join(str(outcome).split())}
    return outcome.scores | {"status": "diverged" if outcome.diverged else "done", "seconds": outcome.run["seconds"]}


def _picture(table, metric, space):
    """SVG of a metric over each parameter that varies, runs as points."""
    from workbook.report.plots import WIDTH, plt

    varied = {name: domain.get("distribution") for name, domain in space.items() if "value" not in domain} or {
        "key": None
    }
    fig, axes = plt.subplots(1, len(varied), figsize=(WIDTH, 2.7), sharey=True, squeeze=False)
    for ax, (name, distribution) in zip(axes[0], varied.items(), strict=True):
        numbers = table[name].map(lambda value: type(value) in (int, float)).all()
        ax.plot(table[name] if numbers else table[name].astype(str), table[metric], "o", ms=4)
        ax.set_xlabel(name)
        if distribution == "log_uniform_values":
            ax.set_xscale("log")
    axes[0, 0].set_ylabel(metric)
    svg = io.StringIO()
    fig.savefig(svg, format="svg")
    plt.close(fig)
    return svg.getvalue()


def main(arguments):
    """Run the command line; return the exit status."""
    if len(arguments) != 1:
        print("usage: python -m workbook.runs.sweep FILE.yaml (notebooks/sweeps/ has some)", file=sys.stderr)
        return 2
    progress = "nothing is"
    try:
        sweep = load(arguments[0])
        total = sweep.trials or math.prod(len(domain.get("values", [0])) for domain in sweep.parameters.values())
        progress = Progress(total, sweep.name, **sweep.metric)
        with progress.bar:
            table = run(sweep, progress)
    except (SweepError, data.DataError, engine.ClusterError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, engine.Interrupted) as error:
        print(f"sweep: {str(error) or 'stopped'}; {progress} stored; the same command goes on", file=sys.stderr)
        return 3
    failed = table[table["status"] == "failed"]
    for row in failed.to_dict("records"):
        print(f"failed: {', '.join(f'{n}={row[n]}' for n in sweep.parameters)}: {row['error']}", file=sys.stderr)
    print(f"{sweep.name}: {progress} -> {os.path.relpath(sweep.folder)}/table.csv")
    return 1 if len(failed) else 0


if __name__ == "__main__":
    from workbook.runs import sweep  # the module that workers import

    for signum in (signal.SIGTERM, signal.SIGHUP):  # the end of a batch job or of an ssh session
        signal.signal(signum, signal.default_int_handler)
    sys.exit(sweep.main(sys.argv[1:]))
