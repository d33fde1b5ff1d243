"""Tables of what was claimed and what was measured: numbers, effects, and offsets that numbers of one kind share."""

from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from workbook.claims import verdicts
from workbook.claims.file import VARIANTS
from workbook.claims.measure import scaled


def rows(report, measured):
    """Return one row for each number of a file.Report, in the order of its file.

    Columns: report, experiment, quantity, head, unit, printed (text), reported, error, margin, where, line; for each
    variant its mean, sd, half (of the prediction interval), n (seeds) and values (finite ones), such as stated_mean;
    verdict, reason. From ``reported`` on, winners are in points below our best trial, gradients in powers of ten.
    """
    table = []
    for claimed in report.experiments.values():
        for name, number in claimed.numbers.items():
            what, found = number.quantity, {v: measured.get((claimed.name, v, name)) for v in VARIANTS}
            reported, error, margin, _ = scaled(number, found["stated"])
            row = {"report": report.name, "experiment": claimed.name, "quantity": name, "head": what.head}
            row |= {"unit": what.unit, "printed": f"{number.value:.6g} {what.unit}".strip(), "reported": reported}
            row |= {"error": error, "margin": margin, "where": number.where, "line": number.line}
            for variant, values in found.items():
                row |= {f"{variant}_{key}": value for key, value in _summary(number, values).items()}
            row["verdict"] = _verdict(number, found)
            reason = _reason(report, claimed.name, name) if row["verdict"] in ("explained", "differs") else None
            table.append(row | {"reason": reason.because if reason else ""})
    return pd.DataFrame(table)


def _summary(number, values):
    """Return what the table says of the values of a variant; NaN where it was not trained."""
    if values is None:
        return {"mean": np.nan, "sd": np.nan, "half": np.nan, "n": 0, "values": 0}
    _, error, _, values = scaled(number, values)
    finite, mean, sd = verdicts.summary(values)
    half = verdicts.half_width(finite, sd, error) if finite > 1 else np.nan
    return {"mean": mean if finite else np.nan, "sd": sd if finite > 1 else np.nan, "half": half,
            "n": len(values), "values": int(finite)}  # fmt: skip


def _verdict(number, found):
    """Return the verdict on a number from {variant: values or None}."""
    if number.quantity.kind == "setting":
        return verdicts.setting(number.value, number.error, found["stated"][0])
    *judged, stated = scaled(number, found["stated"])
    coded = None if found["coded"] is None else scaled(number, found["coded"])[-1]
    return verdicts.overall(*judged, stated, coded)


def _reason(report, experiment, quantity):
    """Return the first Reason that fits a number, None where there is none."""
    for reason in report.reasons:
        if any(fnmatchcase(experiment, each) for each in reason.experiments):
            if any(fnmatchcase(quantity, each) for each in reason.numbers):
                return reason
    return None


def effects(reports, measured):
    """Return one row for each claimed effect of file.Reports, tested together; measured: one dict a report.

    Columns: report, claim, quantity, unit, where, by (NaN: only a sign), mean and half (of the 95 % confidence
    interval, not corrected), n, verdict. Differences are positive where the claim says so.
    """
    table, p = [], []
    for report, values in zip(reports, measured, strict=True):
        for effect in report.effects:
            what, sides = effect.quantity, (effect.better, effect.worse)
            names = [name if variant == "stated" else f"{name} as {variant}" for name, variant in sides]
            read = [report.experiments[name].numbers.get(what.name) for name, _ in sides]
            margin = max(what.margin, 2 * sum(number.error for number in read if number))
            a, b = (values[*side, what.name] for side in sides)
            n = min(len(a), len(b))
            differences = (b[:n] - a[:n]) if what.lower else (a[:n] - b[:n])
            mean, half = verdicts.paired(differences, np.zeros(n))
            p.append(verdicts.effect(differences, margin, effect.by, effect.equal))
            relation = "equals" if effect.equal else "is better than"
            table.append({
                "report": report.name, "claim": f" {relation} ".join(names), "quantity": what.head, "unit": what.unit,
                "where": effect.where, "by": effect.by, "mean": mean, "half": half, "n": n,
            })  # fmt: skip
    frame = pd.DataFrame(table)
    return frame.assign(verdict=verdicts.effects(*np.transpose(p)) if p else [])
