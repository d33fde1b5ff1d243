"""Error rates of the verdicts on simulated reports: ``python -m benchmarks.verdicts`` rewrites docs/verdicts.md.

Each row simulates 20,000 reports whose truth is known. A simulated report prints one draw of its own setting, read with
a uniform reading error; we repeat the setting that it claims, by the rule of workbook.claims.verdicts.
"""

import re
from pathlib import Path

import numpy as np

from workbook.claims import verdicts

DOCUMENT = Path(__file__).parents[1] / "docs" / "verdicts.md"
REPORTS = 20_000
MARGIN = 1.0  # point, as for accuracies
SHIFTS = (0.0, 0.5, 1.0, 2.0, 4.0)  # by how many points a report is wrong
SPREADS = (0.2, 0.4, 0.6, 1.5, 3.0)  # standard deviation of one run, in points
ERRORS = (0.0, 0.5)  # reading errors, in points


def simulate(rng, reports, spread, shift=0.0, error=0.0, failing=0.0, loss=15.0):
    """Return the reported numbers (reports,) and up to fifteen values of each (reports, 15).

    shift: how far the report's setting is from ours. failing: the share of runs that fail and lose ``loss`` points;
    with ``loss`` NaN they have no value, and only reports whose own run has one are returned.
    """
    draws = spread * rng.standard_normal((reports, verdicts.MOST + 1))
    draws -= np.where(rng.random(draws.shape) < failing, loss, 0.0)
    reported = draws[:, 0] + shift + error * rng.uniform(-1, 1, reports)
    return reported[np.isfinite(reported)], draws[np.isfinite(reported), 1:]


def judged(reported, error, values):
    """Return the verdict on each number and how many repeats it took, growing from five as the rule says."""
    n, verdict = np.full(len(reported), verdicts.FEWEST), np.full(len(reported), "cannot tell")
    for repeats in range(verdicts.FEWEST, verdicts.MOST + 1, verdicts.STEP):
        at, seen = n == repeats, values[:, :repeats]
        verdict[at] = verdicts.verdict(reported, error, MARGIN, seen)[at]
        n[at & ~verdicts.enough(reported, error, MARGIN, seen)] += verdicts.STEP
    return verdict, n


def share(condition):
    """Return a share in % with one digit."""
    return f"{100 * np.mean(condition):.1f}"


def numbers(rng, reports=REPORTS):
    """Return rows of agrees / differs in %, over spreads and reading errors, and the mean repeats."""
    rows = []
    for spread in SPREADS:
        for error in ERRORS:
            row, repeats = {"Spread": f"{spread:g}", "Reading error": f"{error:g}"}, []
            for shift in SHIFTS:
                reported, values = simulate(rng, reports, spread, shift, error)
                verdict, n = judged(reported, error, values)
                rates = (share(verdict == name) for name in ("agrees", "differs"))
                row["right" if shift == 0 else f"wrong by {shift:g}"] = " / ".join(rates)
                repeats.append(n.mean())
            rows.append(row | {"Repeats": f"{np.mean(repeats):.1f}"})
    return rows


def claims(rng, reports=REPORTS):
    """Return rows of other situations: what is simulated, a conclusion, how often it comes in %, how often it may."""
    rows = []

    def add(what, conclusion, condition, nominal="–"):
        rows.append({"Simulated": what, "Conclusion": conclusion, "%": share(condition), "at most": nominal})

    for spread in (0.4, 1.5):
        about = f"spread {spread:g}"
        reported, values = simulate(rng, reports, spread, failing=0.1)
        add(f"right, {about}, one run in ten loses 15 points", "differs", judged(reported, 0, values)[0] == "differs")
    reported, values = simulate(rng, 10 * reports, 0.4, failing=0.9, loss=np.nan)
    most = len(reported) / (10 * reports) * (judged(reported, 0, values)[0] == "differs").mean()
    add("right, nine runs in ten diverge, one draw in ten is printed", "differs", most, "5")
    for moved, name, nominal in ((0.0, "changes nothing", "2.5"), (2.0, "is right", "–")):
        stated, coded = rng.normal(0, 0.3, (2, reports, 5))
        reported = 2.0 + rng.normal(0, 0.3, reports)
        found = verdicts.explained(reported, 0, MARGIN, stated, coded + moved)
        add(f"wrong by 2, spread 0.3, the coded variant {name}", "explained", found, nominal)
    better, sized, equal = ("better", {}), ("better by 1", {"by": 1.0}), ("equal", {"equal": True})
    for truth, (name, claim), wrong in (
        (0, better, "supported"),
        (0, sized, "supported"),
        (1, equal, "supported"),  # true would be: nearer to 0 than the margin of 1
        (0, better, "refuted"),
        (2, sized, "refuted"),
        (1, equal, "refuted"),
    ):
        differences = rng.normal(truth, 0.5, (reports, 10, 5))
        found = verdicts.effects(*verdicts.effect(differences, MARGIN, **claim)) == wrong
        add(f"10 effects of {truth}, claimed: {name}", f"one or more {wrong}", found.any(axis=-1), "5")
    for truth, (name, claim), n in ((1, better, 5), (1, sized, 5), (1, sized, 15), (0, equal, 5), (0, equal, 15)):
        differences = rng.normal(truth, 0.5, (reports, 10, n))
        found = verdicts.effects(*verdicts.effect(differences, MARGIN, **claim)) == "supported"
        add(f"one of 10 effects of {truth}, claimed: {name}, {n} seeds", "supported", found)
    for offset in (0.0, 1.4):
        found = []
        for _ in range(reports):
            seeds = rng.normal(0, 0.3, 6)  # all twelve numbers of a run move together
            draws = seeds + rng.normal(0, 0.3, (12, 6))
            found.append(verdicts.one_sided(draws[:, 1:] - draws[:, :1] + offset)[1] <= 0.05)
        add(f"12 numbers of one kind, all off by {offset:g}", "offset flagged", found, "5" if offset == 0 else "–")
    return rows


def table(rows):
    """Return rows (dicts of texts) as a Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main():
    """Simulate with a fixed seed and put the tables into the document."""
    rng, text = np.random.default_rng(0), DOCUMENT.read_text()
    for name, rows in (("numbers", numbers(rng)), ("claims", claims(rng))):
        begin, end = f"<!-- {name}: python -m benchmarks.verdicts -->", f"<!-- end of {name} -->"
        text = re.sub(f"{begin}.*?{end}", f"{begin}\n\n{table(rows)}\n\n{end}", text, flags=re.S)
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
