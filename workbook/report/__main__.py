"""The command line of the report, used by the Makefile: python -m workbook.report make | execute | build."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from lib.data import DataError

from .notebook import ReportError

# Each command does its own imports, because they take a second each.


def main(argv=None):
    """Run the command line; returns the exit status: 0, 1 after an error, 2 for wrong input, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments) or 0
    except (ReportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(prog="python -m workbook.report", description="Notebooks to report.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name, command, text):
        commands.add_parser(name, help=text).set_defaults(command=command)
        return commands.choices[name].add_argument

    argument = add("make", _make, "run notebooks side by side, build documents of them, and show how far it is")
    argument("title")
    argument("targets", nargs="+", metavar="TARGET", help="what make is to make")
    argument("--profile", choices=("auto", "dry", "quick", "full"), default="auto")
    argument("--data", choices=("auto", "cifar10", "standin"), default="auto")
    argument("--documents", nargs="*", default=[], metavar="REPORT=NOTEBOOK,...", help="of the notebooks that are well")
    argument = add("choice", _choice, "print which data, with their fingerprint, and which profile are taken")
    argument("profile", choices=("auto", "dry", "quick", "full"))
    argument("data", choices=("auto", "cifar10", "standin"))
    argument = add("execute", _execute, "run one notebook")
    argument("notebook")
    argument("-o", "--output", required=True, metavar="OUT.ipynb")
    argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    argument = add("build", _build, "make PDF and HTML of executed notebooks, in this order")
    argument("notebooks", nargs="+", metavar="NOTEBOOK")
    argument("-o", "--output", required=True, metavar="REPORT", help="path without suffix")
    argument("--code", action="store_true", help="append the notebooks' code")
    argument("--lax", action="store_true", help="accept references to what is not in these notebooks")
    return parser


def _choice(arguments):
    print(*_chosen(arguments.profile, arguments.data))


def _chosen(profile, data_name):
    """Return the name of the data, their fingerprint, and the profile: "auto" is full where CIFAR-10 is."""
    from lib import data

    dataset = data.load(data_name)
    print(f"{dataset.where}, fingerprint {dataset.fingerprint}", file=sys.stderr)
    profile = profile if profile != "auto" else "full" if dataset.name == "cifar10" else "quick"
    return dataset.name, dataset.fingerprint, profile


def _make(arguments):
    from workbook.runs import store

    from . import cost, waiting

    with waiting.alone(arguments.title):
        data_name, fingerprint, profile = _chosen(arguments.profile, arguments.data)
        store.write(waiting.BUILD / "choice", f"{data_name} {fingerprint} {profile}\n")  # make looks at its date
        if waiting.is_up_to_date(arguments.targets):
            print(f"{arguments.title}: up to date ({profile} profile on {data_name})")
            return 0
        print(f"{arguments.title}: {profile} profile on {data_name}", flush=True)
        cost.begin()
        jobs = 2
        if profile != "full":  # there is little to train: each notebook trains what it needs
            os.environ.setdefault("SCHEDULER", "inproc")
            jobs = cost.CPU_COUNT
        goes_on = bool(arguments.documents)
        status = waiting.build_all(arguments.title, arguments.targets, jobs, profile, data_name, goes_on)
        if status == 0:
            print("; ".join(f"{name}: {value}" for name, value in cost.build_cost(data_name).items()))
        elif status != 130:
            for document in arguments.documents:
                _build_rest(*document.split("="))
        return status


def _build_rest(report, notebooks):
    """Build a document of those of its notebooks that are well."""
    from .build import build

    present = [path for path in notebooks.split(",") if Path(path).exists()]
    if present:
        paths = build(present, f"{report}-incomplete", lax=True, metadata=f"{report}.yml")
        print(f"{paths[0]}: {len(present)} of {notebooks.count(',') + 1} notebooks")


def _execute(arguments):
    from .execute import execute

    out, folder = Path(arguments.output), os.environ.get("WORKBOOK_PROGRESS")

    def state(name, **more):  # for workbook.report.waiting
        if folder:
            (Path(folder) / f"{out.stem}.state").write_text(json.dumps({"state": name} | more))

    state("runs")
    if (fresh := os.environ.get("FRESH")) and out.stem.startswith(fresh):
        os.environ["WORKBOOK_FRESH"] = time.strftime("%Y-%m-%d %H:%M:%S")  # for workbook.runs.engine
    try:
        seconds = execute(arguments.notebook, out, dict(arguments.parameter))
    except ReportError:
        state("failed")
        raise
    state("done", seconds=seconds)
    print(f"{out}: {seconds:.1f} s")


def _build(arguments):
    from .build import build

    for path in build(arguments.notebooks, arguments.output, arguments.code, lax=arguments.lax):
        print(f"{path}: {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    for signum in (signal.SIGTERM, signal.SIGHUP):  # the end of a batch job or of an ssh session
        signal.signal(signum, signal.default_int_handler)
    sys.exit(main())
