"""Sentences and small tables of the reproduction document, all computed from claims and measurements."""

import re

import numpy as np
import pandas as pd

from workbook.claims import trials, verdicts
from workbook.claims.file import VARIANTS, load
from workbook.claims.measure import scaled
from workbook.claims.quantities import quantity
from workbook.runs import profiles, store

CLAIMS = store.ROOT / "reports" / "claims"
SIMULATED = store.ROOT / "docs" / "verdicts.md"
SETTINGS = ("setting", "setting differs")
COMMON = ("networks", "search")  # kinds of experiments whose settings are compared; gradient checks have their own
UNSEEN = ("log_every", "test", "sample")  # fields that say what is looked at


def reports():
    """Return the file.Reports of all claim files of the document. Raises file.ClaimError."""
    return [load(path) for path in sorted(CLAIMS.glob("*.yml"))]


def find(name):
    """Return the file.Report of a name in reports/claims, or of a path that ends in .yml. Raises file.ClaimError."""
    return load(name if name.endswith(".yml") else CLAIMS / f"{name}.yml")


def caution(profile, data_name):
    """Return what must be said where the numbers are not the real ones, else nothing."""
    if not profiles.caveat(profile, data_name):
        return ""
    return (
        "**These pages only show that everything runs.** The networks were not trained as the reports describe, so a "
        "comparison with the reported numbers means nothing."
    )


def results(rows):
    """Return the rows that are judged and counted: all but settings."""
    return rows[~rows["verdict"].isin(SETTINGS)]


def counts(rows):
    """Return how many numbers of ``table.rows`` got which verdict, one row a report and one for all."""
    table = pd.crosstab(rows["report"], rows["verdict"], margins=True, margins_name="all")
    settings = [each for each in SETTINGS if each in table]
    return table.reindex(columns=[*verdicts.VERDICTS, *settings, "all"], fill_value=0).rename_axis(columns=None)


def summary(rows):
    """Return the counts of the verdicts in words, for those who cannot see the figure."""
    n = results(rows)["verdict"].value_counts()
    return "Distances from the reported numbers: " + ", ".join(f"{n[v]} {v}" for v in verdicts.VERDICTS if v in n) + "."


def conclusion(rows):
    """Return the sentences that say how many of the results agree."""
    n = rows["verdict"].value_counts().reindex(verdicts.VERDICTS, fill_value=0)
    coded = f"{n['explained']} agree only with what its program did instead, " if rows["coded_n"].any() else ""
    return (
        f"Of {n.sum()} printed results, {n.sum() - n['cannot tell']} can be judged by repeating them: {n['agrees']} "
        f"agree with what the report states, {coded}and {n['differs']} differ. For the other {n['cannot tell']} the "
        f"spread from seed to seed is too wide to tell."
    )


def offsets(reports, measured):
    """Return a table of groups of at least four numbers of one kind, as stated: offset in margins, p after Holm.

    measured: one dict a report. Winners of searches are left out, which can only be worse than our best trial.
    """
    groups = {}
    for report, values in zip(reports, measured, strict=True):
        for claimed in report.experiments.values():
            for name, number in claimed.numbers.items():
                if number.quantity.kind == "number":
                    reported, error, margin, found = scaled(number, values[claimed.name, "stated", name])
                    margin = max(margin, 2 * error)
                    kind = re.sub(" [0-9]+$", "", number.quantity.head)
                    groups.setdefault((report.name, kind), []).append(((found - reported) / margin, error / margin))
    table = []
    for (name, kind), numbers in groups.items():
        if len(numbers) >= 4:
            n = min(len(found) for found, _ in numbers)
            found = verdicts.one_sided([found[:n] for found, _ in numbers], [error for _, error in numbers])
            table.append((name, kind, len(numbers), *found))
    frame = pd.DataFrame(table, columns=["report", "kind", "numbers", "offset", "p"])
    return frame.assign(p=verdicts.holm(frame["p"]))


def claims(effects):
    """Return the rows of ``table.effects`` as a table for readers; those of the test accuracy do not say so."""
    several = effects["report"].nunique() > 1
    return pd.DataFrame(
        {
            "Claim": (f"{row.report}: {row.claim}" if several else row.claim)
            + (f" by {row.by:g}" if row.by == row.by else "")
            + ("" if row.quantity == "test accuracy" else f" ({row.quantity})"),
            "Measured": f"{row.mean:+.2f} ± {row.half:.2f} {row.unit.replace('%', 'points')}",
            "$n$": row.n,
            "Verdict": row.verdict,
        }
        for row in effects.itertuples()
    )


def shared(report, variant):
    """Return {field: value} of what most networks and searches have in a variant; as coded what is not as stated."""
    found = [c.variants.get(variant, c.variants["stated"]) for c in report.experiments.values() if c.kind in COMMON]
    stated = [c.variants["stated"] for c in report.experiments.values() if c.kind in COMMON]
    common = {}
    for settings, other in zip(found, stated, strict=True):
        for field, value in settings.items():
            if 2 * sum(each.get(field) == value for each in found) > len(found):
                if variant == "stated" or other.get(field) != value:
                    common[field] = value
    return common


def described(settings, without=None):
    """Return settings as text, such as "init xavier, batch_size 450": where they differ from ``without``."""
    without, told = without or {}, []
    for field, value in settings.items():
        if field not in UNSEEN and (field not in without or without[field] != value):
            if field == "trials" and isinstance(value, list) and isinstance(value[0], dict):
                value = sum(map(len, trials.groups("", settings)))  # how many
            nested = value.items() if isinstance(value, dict) else [(field, value)]
            told += [f"{name} {_text(each)}" for name, each in nested]
    told += [f"{field} as in the course" for field in without if field not in (*settings, *UNSEEN)]
    return ", ".join(told) or "–"


def _text(value):
    """Return a value without Python's marks."""
    if isinstance(value, list):
        return " ".join(map(_text, value)) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def departures(claimed, variant):
    """Return {field: value} of what a variant has otherwise than stated, and what it prints in place of what."""
    stated, printed = claimed.variants["stated"], claimed.reads.get(variant, {})
    fields = claimed.variants.get(variant, stated)
    changed = {field: value for field, value in fields.items() if stated.get(field, ...) != value}
    changed |= {field: "as in the course" for field in stated if field not in (*fields, *UNSEEN)}
    return changed | {f"{name} printed is": other for name, other in printed.items()}


def experiments(report):
    """Return a table of a report's experiments: what each is, and its settings beside those that all have in common."""
    common, changed, table = shared(report, "stated"), shared(report, "coded"), []
    for claimed in report.experiments.values():
        alike, stated = claimed.kind in COMMON, claimed.variants["stated"]
        own = described(stated, common if alike else None)
        row = {"Experiment": claimed.name, "As stated": f"{claimed.title}: {own}".removesuffix(": –")}
        if claimed.title == claimed.name:
            row["As stated"] = own.replace("–", "the course's setting")
        for variant in ("coded", "assigned"):
            known = changed if alike and variant == "coded" else {}
            found = departures(claimed, variant).items()
            row[f"As {variant}"] = described({name: value for name, value in found if known.get(name, ...) != value})
        table.append(row)
    frame = pd.DataFrame(table)
    return frame.loc[:, (frame != "–").any()]


def measurement(row, variant):
    """Return what was measured, such as "51.2 ± 0.3", of a row and a variant; "" where nothing was run."""
    n, values, mean, sd = (row[f"{variant}_{key}"] for key in ("n", "values", "mean", "sd"))
    if not values:
        return f"none of {n} runs has a value" if n else ""
    digits = 2 if not sd > 1e-9 else int(np.clip(1 - np.floor(np.log10(sd)), 0, 4))
    text = f"{mean:.{digits}f} ± {np.nan_to_num(sd):.{digits}f}"
    text = {
        "winner": f"{text} points below our best trial",
        "gradient": f"ten to the power of {text}",
    }.get(quantity(row["quantity"]).kind, text)
    return text if values == n else f"{text} in {values} of {n} runs"


def why(report, rows, measured):
    """Return paragraphs on all numbers that are explained or differ: their values, the reason, what supports it."""
    reasons, groups = {reason.because: reason for reason in report.reasons}, {}
    for _, row in rows[rows["verdict"].isin(("explained", "differs"))].sort_values("verdict", kind="stable").iterrows():
        groups.setdefault((row["verdict"], row["reason"]), []).append(row)
    return "\n\n".join(
        _paragraph(report, verdict, reasons.get(because), each, measured) for (verdict, because), each in groups.items()
    )


def _paragraph(report, verdict, reason, rows, measured):
    told = {}
    for row in rows:
        found = [f"{variant} {text}" for variant in ("stated", "coded") if (text := measurement(row, variant))]
        told.setdefault(row["experiment"], []).append(f"{row['head']} {row['printed']} ({', '.join(found)})")
    numbers = "; ".join(f"*{name}*: {', '.join(each)}" for name, each in told.items())
    text = f"**{verdict.capitalize()}.** {numbers}. {reason.because if reason else 'No cause has been found.'}"
    if reason and reason.measured:
        text += _support(report, reason.measured["from"], reason.measured["to"], rows, measured)
    if reason and reason.excluded:
        text += f" Excluded: {reason.excluded}"
    return text


def _support(report, start, end, rows, measured):
    """Return the sentence that says how far a comparison at equal seeds moves numbers towards the report."""
    distances, moved = [], 0
    for row in rows:
        number = report.experiments[row["experiment"]].numbers[row["quantity"]]
        before, after = (_values(side, number, row, measured) for side in (start, end))
        if before is None or after is None:
            continue
        n = min(len(before), len(after))
        change, half = verdicts.paired(after[:n], before[:n])
        off = row["reported"] - np.array([verdicts.summary(before[:n])[1], verdicts.summary(after[:n])[1]])
        moved += np.sign(off[0]) * change > half
        distances.append(np.abs(off) / max(row["margin"], 2 * row["error"]))
    if not distances:
        return ""
    before, after = np.median(distances, axis=0)
    return (
        f" At equal seeds, going from {start} to {end} moves {moved} of these {len(distances)} significantly towards "
        f"the report; the median distance changes from {before:.1f} to {after:.1f} margins."
    )


def _values(side, number, row, measured):
    """Return the values at one side of a comparison, "coded" or "NAME as VARIANT"; None where nothing was run."""
    name, _, variant = side.partition(" as ")
    key = (row["experiment"], side) if side in VARIANTS else (name, variant or "stated")
    values = measured.get((*key, row["quantity"]))
    return None if values is None else scaled(number, values)[-1]


def simulated(name):
    """Return a table of docs/verdicts.md with simulated error rates, "numbers" or "claims"."""
    text = SIMULATED.read_text().partition(f"<!-- {name}:")[2].partition("<!-- end")[0]
    head, _, *lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return pd.DataFrame(lines, columns=head)


def rule():
    """Return the rule of the verdicts in Markdown, as it stands in the code."""
    return verdicts.__doc__.partition("\n\n")[2]
