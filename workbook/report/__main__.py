"""The command line of the report, used by the Makefile: python -m workbook.report execute | build | begin | cost."""

import argparse
import sys

from .notebook import ReportError

# Each command does its own imports, because they take a second each.


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

    def add(name, command, text):
        commands.add_parser(name, help=text).set_defaults(command=command)
        return commands.choices[name].add_argument

    argument = add("execute", _execute, "run one notebook")
    argument("notebook")
    argument("-o", "--output", required=True, metavar="OUT.ipynb")
    argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    argument = add("build", _build, "make PDF and HTML of executed notebooks, in this order")
    argument("notebooks", nargs="+", metavar="NOTEBOOK")
    argument("-o", "--output", required=True, metavar="REPORT", help="path without suffix")
    argument("--code", action="store_true", help="append the notebooks' code")
    add("begin", _begin, "note the time and how fast this machine is, before a build")
    add("cost", _cost, "say what the build trained and what that took")("data")
    return parser


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
