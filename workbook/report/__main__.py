"""The command line of the report: python -m workbook.report execute | build | begin | cost, used by the Makefile."""

import argparse
import sys

from .notebook import ReportError


def main(argv=None):
    """Run the command line; returns the exit status: 0, 1 after an error, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.command(arguments)
    except (ReportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m workbook.report", description="Notebooks to report.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    execute = commands.add_parser("execute", help="run one notebook")
    execute.add_argument("notebook")
    execute.add_argument("-o", "--output", required=True, metavar="OUT.ipynb")
    execute.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    execute.set_defaults(command=_execute)
    build = commands.add_parser("build", help="make PDF and HTML of executed notebooks, in this order")
    build.add_argument("notebooks", nargs="+", metavar="NOTEBOOK")
    build.add_argument("-o", "--output", required=True, metavar="REPORT", help="path without suffix")
    build.add_argument("--code", action="store_true", help="append the notebooks' code")
    build.set_defaults(command=_build)
    begin = commands.add_parser("begin", help="note the time and how fast this machine is, before a build")
    begin.set_defaults(command=_begin)
    cost = commands.add_parser("cost", help="tell what the build trained and what that took")
    cost.add_argument("data")
    cost.set_defaults(command=_cost)
    return parser


# The imports take a second each, so that each command does its own.


def _execute(arguments):
    from .execute import execute

    seconds = execute(arguments.notebook, arguments.output, dict(arguments.parameter))
    print(f"{arguments.output}: {seconds:.1f} s")


def _build(arguments):
    from .build import build

    for path in build(arguments.notebooks, arguments.output, arguments.code):
        print(f"{path}: {path.stat().st_size / 1024:.0f} kB")


def _begin(arguments):
    from .cost import begin

    begin()


def _cost(arguments):
    from .cost import build_cost

    print("; ".join(f"{name}: {value}" for name, value in build_cost(arguments.data).items()))


if __name__ == "__main__":
    sys.exit(main())
