"""``make check CLAIMS=my-report.yml``: runs what a report of one's own claims and says which numbers come out.

Exit status: 0 all was run, whatever the verdicts; 1 some runs failed; 2 the file or the set-up must be changed;
3 interrupted, the same command goes on where it stopped.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import pandas as pd

from lib.data import DataError
from workbook.claims import diagnose, table
from workbook.claims.file import load
from workbook.claims.measure import trained
from workbook.runs import store
from workbook.runs.cluster import ClusterError

NOTEBOOK = store.ROOT / "notebooks" / "reproduction" / "report.ipynb"


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workbook.claims", description="Check what reports claim.")
    parser.add_argument("command", choices=("check", "train"), help="check one report, or only train what some need")
    parser.add_argument("files", nargs="+", metavar="FILE.yml")
    parser.add_argument("--profile", choices=("dry", "full"), default="full")
    parser.add_argument("--data", choices=("auto", "cifar10", "standin"), default="auto")
    options, status = parser.parse_args(arguments), 1
    try:
        reports = [load(path) for path in options.files]
        found = trained(reports, options.profile, options.data)
        if options.command == "check":
            for path, report, (measured, _) in zip(options.files, reports, found, strict=True):
                check(path, report, measured, options.profile, options.data)
        return 0
    except (ValueError, DataError, ClusterError) as error:  # a ClaimError is a ValueError, as are impossible settings
        message, status = error, 2
    except KeyboardInterrupt as error:  # an Interrupted is one
        message, status = str(error) or "stopped; the results so far are stored, the same command goes on", 3
    except (RuntimeError, OSError) as error:  # RunError and ReportError are RuntimeErrors
        message = error
    print(f"{options.command}: {' '.join(str(message).split())}", file=sys.stderr)
    return status


def check(path, report, measured, profile, data_name):
    """Print and write the verdicts on a measured report, what may have gone wrong, and the document of both."""
    rows, folder = table.rows(report, measured), store.REPORTS / "checks" / report.name
    print("\n".join(lines(rows)))
    store.write_table(folder / "numbers.csv", rows)
    wrong = list(dict.fromkeys(rows.loc[rows["verdict"].isin(("differs", "explained")), "experiment"]))
    found = diagnose.diagnose(report, wrong, profile, data_name) if wrong else []
    for each in found:
        print(f"{', '.join(each.experiments)}: {each.conclusion}")
    if found:
        tables = [each.table.assign(experiments=", ".join(each.experiments)) for each in found]
        store.write_table(folder / "diagnosis.csv", pd.concat(tables))
    for written in (*document(path, report, folder, profile, data_name), folder / "numbers.csv"):
        print(f"-> {os.path.relpath(written)}")


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


def document(path, report, folder, profile, data_name):
    """Execute the notebook for a claim file; return the paths of the PDF and the HTML."""
    from workbook.report.build import build  # here, because papermill takes a second to import
    from workbook.report.execute import execute

    about = {"title": f"Report {report.name}, checked", "author": [report.author] * bool(report.author)}
    store.write(folder / f"{report.name}.yml", json.dumps(about))
    executed = folder / f"{report.name}.ipynb"
    execute(NOTEBOOK, executed, {"report": str(Path(path).resolve()), "profile": profile, "data": data_name})
    return build([executed], folder / report.name, figures="figures")
