"""Reported against reproduced: what five student reports print or plot, and what became of it here.

A *variant* of an experiment is "stated" (as the report says), "coded" (as its program did) or "assigned" (as the
course asks). Notebooks ``observe`` their results and ``keep`` the numbers; the last one compares them all.

The verdict follows a rule, settled before looking but for two limits, which were set after a first
comparison: a loss may differ by 0.03 nats also where it was read more exactly, and single trials of a
search by 1 point, no longer 2.5. A number of a variant agrees with the reported one

- if it is an accuracy: when they differ by at most 1 point, or 2.5 for nets of nine layers without batch norm, for
  the winners of searches and for gains, or two standard deviations over repeats where that is more;
- if it is read off a plot or a loss: by at most 0.03 nats, or the reading error where the report's row says that it
  is more, plus two standard deviations over repeats;
- if it is a gradient error or sum: when it is at most ten times the reported one and not below a thousandth of it,
  or both are rounding, below 1e-12;
- if it is the lambda or eta of a winner: when it lies among those of the trials within one point of the best, or not
  further than a factor of 2 outside their range;
- otherwise (settings, counts): when both are equal.

"match": the stated variant agrees. "explained": it does not, but the coded one does. "differs": neither.
"not comparable": no variant could be run; the reason says why.
"""

import re
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from workbook.runs.store import REPORTS, ROOT, write

REPORTED = ROOT / "reports" / "reported.csv"
REASONS = ROOT / "reports" / "reasons.csv"
KEPT = REPORTS / "reproduced"
VARIANTS = ("stated", "coded", "assigned")
#: where the programs of two reports departed from the course's setting; no curve of 002 is compared, so none is logged
AS_CODED = {
    "000": {"shuffle": False, "normalisation": "zscore_perfile", "bn_decay": 0.7, "bn_eps": 2.2e-16},
    "002": {"batch_size": 450, "bn_statistics": "set", "bn_eps": 1e-9, "log_every": 4500},
}
NO_BREAK_SPACE, NO_BREAK_HYPHEN = "\u00a0", "\u2011"
VERDICTS = ("match", "explained", "differs", "not comparable")


def reported():
    """Return the reported numbers, one row each: report, experiment_id, section, quantity, value (text), unit."""
    return pd.read_csv(REPORTED, dtype=str)


def at(update, name):
    """Return the reader of a curve at an update (the nearest log point) or a fraction of the run, such as 0.25."""

    def read(result):
        updates = np.array(result.curves["update"])
        wanted = update * updates[-1] if isinstance(update, float) else update
        return result.curves[name][int(np.argmin(np.abs(updates - wanted)))]

    return read


def last(name):
    """Return the reader of the last point of a curve, taken on all training images as the reports did, not a sample.

    Where the network went back to its best weights the score is theirs, and the curve's own last point is returned.
    """
    return lambda result: result.curves[name][-1] if result.experiment.keep_best else result.scores[name]


#: how a quantity of reported.csv is read from a Result, accuracies as fractions
READERS = {
    "test_accuracy": lambda r: r.scores["test_accuracy"],
    "accuracy": lambda r: r.scores["test_accuracy"],
    "val_accuracy": lambda r: r.scores["validation_accuracy"],
    "initial_train_loss_fig": at(0, "train_loss"),
    "train_loss_at_step_4500_fig": at(0.5, "train_loss"),
    "final_train_loss_fig": last("train_loss"),
    "final_train_loss": last("train_loss"),
    "final_train_cost_fig": last("train_cost"),
    "final_train_accuracy_fig": last("train_accuracy"),
    "final_val_loss_fig": last("validation_loss"),
    "final_val_loss": last("validation_loss"),
    "min_val_loss_fig": lambda r: min(r.curves["validation_loss"]),
    "train_accuracy_after_cycle1_fig": at(0.25, "train_accuracy"),
    "train_accuracy_after_cycle2_fig": at(0.5, "train_accuracy"),
    "train_accuracy_after_cycle3_fig": at(0.75, "train_accuracy"),
}


def observe(experiment_id, variant, results, **more):
    """Return the observations of every reported quantity of an experiment that READERS knows, over repeats.

    results: list of engine Results, one a repeat. more: further quantities, as lists of values or
    as functions of a Result; accuracies are fractions there. An observation is a dict of experiment_id,
    quantity, variant, repeat, value; accuracies come in the unit of reported.csv (% or fraction). Raises ValueError
    for an experiment or a quantity that reported.csv does not have, and for an unknown variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    rows = reported().query("experiment_id == @experiment_id").set_index("quantity")
    if unknown := sorted(set(more) - set(rows.index)) or ([experiment_id] if rows.empty else []):
        raise ValueError(f"reports/reported.csv has no {', '.join(unknown)} of experiment {experiment_id}")
    observations = []
    for quantity, unit in rows["unit"].items():
        values = more.get(quantity, READERS.get(quantity))
        if callable(values):
            values = [values(result) for result in results]
        if unit == "%" and values is not None:
            values = [100 * value for value in values]
        for repeat, value in enumerate(() if values is None else values):
            key = {"experiment_id": experiment_id, "quantity": quantity, "variant": variant}
            observations.append(key | {"repeat": repeat, "value": value})
    return observations


def winners(results, n=3, near=0.01):
    """Return the reported quantities of a search: rank1_val_accuracy, rank1_lambda, rank1_eta, rank2_...

    results: the Results of all trials. The accuracy of a rank is one value, in fractions; lambda and eta of every
    rank are those of all trials whose accuracy is within ``near`` of the best: the plateau on which the winner is
    decided by luck. Use as ``observe(id, variant, results, **winners(results))``.
    """
    scores = np.array([r.scores["validation_accuracy"] for r in results])
    ranked = np.sort(scores[np.isfinite(scores)])[::-1]
    plateau = [r.experiment for r, s in zip(results, scores, strict=True) if s >= ranked[0] - near]
    quantities = {}
    for rank in range(n):
        quantities[f"rank{rank + 1}_val_accuracy"] = [ranked[rank]]
        quantities[f"rank{rank + 1}_lambda"] = [e.l2 for e in plateau]
        quantities[f"rank{rank + 1}_eta"] = [e.eta_max for e in plateau]
    return quantities


def keep(section, observations):
    """Write the observations of a notebook to reports/reproduced/<section>.csv, whole or not at all."""
    write(KEPT / f"{section}.csv", pd.DataFrame(observations).to_csv(index=False))


def kept():
    """Return the observations of all notebooks as one DataFrame; raises FileNotFoundError where there are none."""
    files = sorted(KEPT.glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"{KEPT} has no observations: run the notebooks 02 to 09 first")
    return pd.concat([pd.read_csv(file) for file in files], ignore_index=True)


def claim(*pairs):
    """Return what reports say of an effect, such as "000: +3.87, 002: +8.76".

    pairs: (changed, base) experiment ids; the difference of their reported test accuracies in points.
    """
    rows = reported().query("quantity == 'test_accuracy'").set_index("experiment_id")
    percent = {e.Index: number(e.value) * (1 if e.unit == "%" else 100) for e in rows.itertuples()}
    return ", ".join(f"{a[1:4]}: {percent[a] - percent[b]:+.2f}" for a, b in pairs).replace("-", "−")


def keep_effects(section, effects):
    """Write the effects of a notebook to reports/reproduced/effects/<section>.csv.

    effects: a list of (name, the reports' claim, (mean, half-width), n), the mean difference and the half-width of
    its 95 % confidence interval in points of test accuracy, as ``tables.difference`` returns them, over n paired seeds.
    """
    rows = [
        {"effect": name, "claim": claim, "difference": mean, "half": half, "n": n, "section": section}
        for name, claim, (mean, half), n in effects
    ]
    write(KEPT / "effects" / f"{section}.csv", pd.DataFrame(rows).to_csv(index=False))


def effects():
    """Return the effects of all notebooks: effect, claim, measured (text), n, holds ("yes" or "open"), section."""
    frame = pd.concat([pd.read_csv(file) for file in sorted((KEPT / "effects").glob("*.csv"))], ignore_index=True)
    frame["measured"] = [f"{d:+.2f} ± {h:.2f}" for d, h in zip(frame["difference"], frame["half"], strict=True)]
    frame["holds"] = ["yes" if abs(d) > h else "open" for d, h in zip(frame["difference"], frame["half"], strict=True)]
    return frame[["effect", "claim", "measured", "n", "holds", "section"]]


def compare(observations):
    """Return one row for each reported number and variant, in the order of reported.csv.

    Columns: report, experiment_id, quantity, reported, unit, variant, mean, sd, n, difference, verdict, reason. A
    number without observation has one row, verdict "not comparable". Source of the rule: the head of this module.
    """
    reasons = list(pd.read_csv(REASONS, dtype=str).itertuples())  # the first whose patterns fit holds
    groups = {
        key: group["value"].to_numpy() for key, group in observations.groupby(["experiment_id", "quantity", "variant"])
    }
    rows = []
    for row in reported().itertuples():
        found = {v: groups[row.experiment_id, row.quantity, v] for v in VARIANTS
                 if (row.experiment_id, row.quantity, v) in groups}  # fmt: skip
        verdict = _verdict(row, found)
        reason = next((r.reason for r in reasons if fnmatchcase(row.experiment_id, r.experiment_id)
                       and fnmatchcase(row.quantity, r.quantity)), "")  # fmt: skip
        common = {"report": row.report, "experiment_id": row.experiment_id, "quantity": row.quantity}
        common |= {"reported": row.value, "unit": row.unit}
        for variant, values in (found or {"": np.array([np.nan])}).items():
            sd = values.std(ddof=1) if len(values) > 1 else np.nan
            rows.append(common | {
                "variant": variant, "mean": values.mean(), "sd": sd, "n": len(values) if found else 0,
                "difference": values.mean() - number(row.value), "verdict": verdict,
                "reason": "" if verdict == "match" else reason,
            })  # fmt: skip
    return pd.DataFrame(rows)


def table(rows):
    """Return the rows of ``compare`` as a table for readers: one line a number, one column a variant."""
    settings = rows["quantity"].isin(["lambda", "n_layers"])
    lines, above = [], None
    for (experiment, quantity), group in rows[~settings].groupby(["experiment_id", "quantity"], sort=False):
        cells = {row.variant: _cell(row) for row in group.itertuples()}
        lines.append(
            {"Experiment": "" if experiment == above else experiment[5:].replace("-", NO_BREAK_HYPHEN)}
            | {"Quantity": quantity.removesuffix("_fig").replace("_", " ")}
            | {"Reported": f"{number(group['reported'].iloc[0]):.4g}"}
            | {variant.capitalize(): cells.get(variant, "–") for variant in VARIANTS}
            | {"Verdict": group["verdict"].iloc[0]}
        )
        above = experiment
    frame = pd.DataFrame(lines)
    return frame.loc[:, (frame != "–").any()]


def _cell(row):
    """Mean ± standard deviation (n), both to the second digit of the deviation, on one line."""
    if not (row.n > 1 and row.sd > 1e-4 * abs(row.mean)):
        return f"{row.mean:.4g}{NO_BREAK_SPACE}({row.n})"
    digits = max(0, 1 - int(np.floor(np.log10(row.sd))))
    value = f"{row.mean:.1e} ± {row.sd:.1e}" if digits > 6 else f"{row.mean:.{digits}f} ± {row.sd:.{digits}f}"
    return f"{value} ({row.n})".replace(" ", NO_BREAK_SPACE)


def reasons(rows):
    """Return a table of the numbers that do not match as stated: experiment, quantities, verdict, reason."""
    numbers = rows.drop_duplicates(["experiment_id", "quantity"]).query("verdict != 'match'")
    grouped = (
        numbers.groupby(["verdict", "reason", "experiment_id"], sort=False)["quantity"].agg(", ".join).reset_index()
    )
    merged = grouped.groupby(["verdict", "reason"], sort=False).agg(
        Experiments=("experiment_id", lambda ids: ", ".join(dict.fromkeys(ids))),
        Numbers=("quantity", lambda q: sum(len(x.split(", ")) for x in q)),
    )
    merged = merged.reset_index().rename(columns={"verdict": "Verdict", "reason": "Reason"})
    return merged[["Verdict", "Experiments", "Numbers", "Reason"]].sort_values(
        "Verdict", key=lambda column: column.map(VERDICTS.index), kind="stable"
    )


def number(value):
    """Return a reported value as a float; "almost 10" is 10."""
    return float(re.search(r"[-+.\deE]*\d", value).group())


def _verdict(row, found):
    """The verdict on a reported row (of ``reported``) from {variant: values}."""
    if not found:
        return "not comparable"
    stated = found.get("stated", found.get("assigned"))
    if stated is not None and agrees(row, stated):
        return "match"
    return "explained" if "coded" in found and agrees(row, found["coded"]) else "differs"


def agrees(row, values):
    """Whether values (n,) of a variant agree with a reported row, by the rule at the head of this module."""
    value, mean = number(row.value), values.mean()
    spread = 2 * values.std(ddof=1) if len(values) > 1 else 0.0
    quantity, percent = row.quantity, (1 if row.unit.startswith(("%", "percentage")) else 0.01)
    if re.search(r"^rank\d_(lambda|eta)|^best_lambda", quantity):
        return bool(values.min() / 2 <= value <= values.max() * 2)
    if re.search(r"gradient_error|error_vs|^epsilon|^sum_g", quantity):
        size, here = abs(value), np.abs(values).max()
        return bool((size < 1e-12 and here < 1e-12) or size / 1000 <= here <= 10 * size)
    if ("accuracy" in quantity and not quantity.endswith("_fig")) or quantity.startswith("gain"):
        loose = "9L-NOBN" in row.experiment_id or re.search(r"^rank|^bn_minus|^gain", quantity)
        return bool(abs(mean - value) <= max(percent * (2.5 if loose else 1.0), spread))
    if "loss" in quantity or quantity.endswith("_fig"):
        read = re.search(r"\+-([\d.]+)", row.unit)
        least = 0.03 if "nats" in row.unit else 0.0
        return bool(abs(mean - value) <= max(least, float(read.group(1)) if read else 0.03) + spread)
    return bool(np.isclose(mean, value))
