"""``make check CLAIMS=my-report.yml``: runs what a report of one's own claims and says which numbers come out.

Exit status: 0 all was run, whatever the verdicts; 1 some runs failed; 2 the file or the set-up must be changed;
3 interrupted, the same command goes on where it stopped.
"""

import argparse
import os
import sys
from pathlib import Path

import pandas as pd

from lib.data import DataError
from workbook.claims import table
from workbook.claims.file import load
from workbook.claims.measure import trained
from workbook.claims.source import ClaimError
from workbook.runs import engine, store

NOTEBOOK = Path("notebooks", "reproduction", "report.ipynb")


def main(arguments=None):
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (ClaimError, DataError, engine.ClusterError) as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, engine.Interrupted) as error:
        print(
            f"check: {str(error) or 'stopped'}; the results so far are stored, the same command goes on",
            file=sys.stderr,
        )
        return 3
    except (engine.RunError, RuntimeError, OSError) as error:
        print(f"check: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="python -m workbook.claims", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("check", check, "run one report, judge its numbers, write PDF, HTML and CSV"),
        ("train", train, "only train what the claims of some reports need"),
    ):
        one = commands.add_parser(name, help=text)
        one.set_defaults(command=command)
        one.add_argument("files", nargs=1 if name == "check" else "+", metavar="FILE.yml")
        one.add_argument("--profile", choices=("quick", "full"), default="full")
        one.add_argument("--data", choices=("auto", "cifar10", "standin"), default="auto")
    return parser


def train(options):
    """Train everything that the claims of some files need, so that notebooks find it stored."""
    trained([load(path) for path in options.files], options.profile, options.data)
    return 0


def check(options):
    """Check one report; see the head of this module."""
    [path] = options.files
    if not path.endswith(".yml"):
        raise ClaimError(f"{path}: the name of a claim file must end in .yml")
    report = load(path)
    [(measured, _)] = trained([report], options.profile, options.data)
    rows = table.rows(report, measured)
    print("\n".join(lines(rows)))
    folder = store.REPORTS / "checks" / report.name
    store.write(folder / "numbers.csv", rows.to_csv(index=False))
    found = _diagnoses(report, rows, options)
    for each in found:
        print(f"{', '.join(each.experiments)}: {each.conclusion}")
    if found:
        tables = [each.table.assign(experiments=", ".join(each.experiments)) for each in found]
        store.write(folder / "diagnosis.csv", pd.concat(tables).to_csv(index=False))
    for written in [*_document(path, folder, report.name, options), folder / "numbers.csv"]:
        print(f"-> {os.path.relpath(written)}")
    return 0


def lines(rows):
    """Return the verdicts for a terminal, one line a number, as columns."""
    cells = [("Experiment", "Quantity", "Reported", "As stated", "As coded", "Verdict")]
    for row in rows.to_dict("records"):
        ours = (_measured(row, variant) for variant in ("stated", "coded"))
        cells.append((row["experiment"], row["head"], row["printed"], *ours, row["verdict"]))
    columns = [column for column in zip(*cells, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    for line in zip(*columns, strict=True):
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _measured(row, variant):
    """Return mean ± standard deviation (seeds) of a variant, empty where it was not trained."""
    n, values, mean, sd = (row[f"{variant}_{name}"] for name in ("n", "values", "mean", "sd"))
    if not n:
        return ""
    spread = f" ± {sd:.2g}" if values > 1 else ""
    return f"{mean:.4g}{spread} ({values} of {n})" if values < n else f"{mean:.4g}{spread} ({n})"


def _diagnoses(report, rows, options):
    """Return what may have gone wrong in the experiments of which a number differs as stated."""
    from workbook.claims import diagnose

    wrong = dict.fromkeys(rows.loc[rows["verdict"].isin(("differs", "explained")), "experiment"])
    return diagnose.diagnose(report, list(wrong), options.profile, options.data) if wrong else []


def _document(path, folder, name, options):
    """Execute the notebook for a claim file; return the paths of the PDF and the HTML."""
    from workbook.report.build import build
    from workbook.report.execute import execute

    executed = folder / f"{name}.ipynb"
    parameters = {"report": str(Path(path).resolve()), "profile": options.profile, "data": options.data}
    execute(store.ROOT / NOTEBOOK, executed, parameters)
    return build([executed], folder / name, figures="figures")
