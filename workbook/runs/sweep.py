"""Sweeps: one YAML file, many runs, one table.  ``python -m workbook.runs.sweep FILE``  or  ``make sweep SWEEP=FILE``

The README's section "Sweeps" explains the file. What a run gave is stored at once, and a search proposes the same runs
after the same results, so the same command goes on where it stopped.

Exit status: 0 all well (a diverged run is a finding), 1 some runs failed, 2 the user must change something,
3 interrupted, the same command goes on.
"""

import io
import math
import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lib import data
from lib.choices import check_choice
from workbook.runs import cluster, engine, experiment, search, store
from workbook.runs.fields import build, require, setting, settle
from workbook.runs.notebooks import Notebook, data_name
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
    trials: int | None = setting(None, int, 1, search.MOST + 1)
    generation: int = setting(
        8, int, 1, search.MOST + 1
    )  # trials that narrow and tpe propose together: of the search, not the machine
    metric: dict = None  # {"name": ..., "goal": "maximize" or "minimize"}; narrow and tpe need it
    seed: int = setting(0, int)

    def __post_init__(self):
        settle(self)
        named = isinstance(self.parameters, dict) and all(isinstance(name, str) for name in self.parameters)
        require(named, "parameters", self.parameters, "names, each with value or values or a range")
        inside = self.run.endswith(".ipynb") and (store.ROOT / self.run).resolve().is_relative_to(store.ROOT.resolve())
        require(self.run == "experiment" or inside, "run", self.run, "experiment, or the path of a notebook")
        needs_metric = self.method in ("narrow", "tpe") or self.metric is not None
        if needs_metric:
            whole = isinstance(self.metric, dict) and self.metric.keys() == {"name", "goal"}
            whole = whole and isinstance(self.metric["name"], str)
            require(whole, "metric", self.metric, f"{{name: ..., goal: ...}} with method {self.method}")
            check_choice("metric's goal", self.metric["goal"], ("maximize", "minimize"))
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

    line_of = None
    try:
        content, line_of = load_yaml(path)
        sweep = build(Sweep, "key", content)
        sweep.folder = store.REPORTS / "sweeps" / Path(path).stem
        sweep.kind = Experiments() if sweep.run == "experiment" else Notebook(sweep.run, sweep.folder)
        sweep.search(evaluate)
        return sweep
    except (ArithmeticError, TypeError, ValueError) as error:
        message = " ".join(str(error).split())
        if line_of:  # else load_yaml has told it
            message = f"{path}:{line_of(_named(message, content))}: {message}"
        raise SweepError(message) from None


def _named(message, content):
    """Return where in the file the first name of a message is that is a key or a parameter there."""
    keys = content if isinstance(content, dict) else {}
    parameters = keys.get("parameters") if isinstance(keys.get("parameters"), dict) else {}
    for word in re.findall(r"[\w.]+", message):
        if word in keys or word in parameters:
            return (word,) if word in keys else ("parameters", word)
    return ()


class Experiments:
    """``run: experiment``: the parameters are ``profile`` and the fields of Experiment; ``data`` may be "auto"."""

    key, outcomes = staticmethod(experiment.key), staticmethod(engine.outcomes)

    @staticmethod
    def make(parameters):
        """Return the Experiment. Raises ValueError."""
        values = {"data": "auto"} | parameters
        profile = values.pop("profile", "full")
        return profiled(experiment.make(values | {"data": data_name(values["data"])}), profile)


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
        store.write_table(sweep.folder / "table.csv", table)
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
        with progress:
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
