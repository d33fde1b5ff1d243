"""Results as tables: pandas DataFrames that notebooks show and files keep."""

import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from workbook.claims import reproduction


def rows(results):
    """Return a DataFrame of one row a run: its settings, its final scores (accuracies as fractions), its key."""
    return pd.DataFrame([asdict(r.experiment) | r.scores | {"diverged": r.diverged, "key": r.key} for r in results])


def score(results, name):
    """Return one final score of a list of results as a float64 array (n,), e.g. "test_accuracy"."""
    return np.array([r.scores[name] for r in results])


def percent(results, name="test_accuracy", digits=2):
    """Return "mean ± sd %" of an accuracy over repeats, sd with n - 1; without ± for one run."""
    values = 100 * score(results, name)
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def accuracies(groups):
    """Return a table of mean ± sd of training, validation and test accuracy in %, one row a named list of results."""
    return pd.DataFrame(
        {
            "Network": name,
            "Train / %": percent(results, "train_accuracy"),
            "Validation / %": percent(results, "validation_accuracy"),
            "Test / %": percent(results),
            "Test loss": f"{score(results, 'test_loss').mean():.3f}",
            "$n$": len(results),
        }
        for name, results in groups.items()
    )


def rounds(searches):
    """Return a table of the rounds of a search over lambda: {name: results}, three best lambda with their scores."""
    return pd.DataFrame(
        {
            "Round": name,
            "Range of $\\lambda$": "{:.2g} to {:.2g}".format(*np.sort([r.experiment.l2 for r in results])[[0, -1]]),
            "Trials": len(results),
            "Cycles": results[0].experiment.cycles,
            "Three best: $\\lambda$ (validation / %)": "; ".join(
                f"{r.experiment.l2:.2g} ({100 * r.scores['validation_accuracy']:.2f})" for r in best(results, 3)
            ),
        }
        for name, results in searches.items()
    )


def best(results, n=3, by="validation_accuracy"):
    """Return the n results with the highest score, the best first; not-a-number last."""
    return sorted(results, key=lambda r: -np.nan_to_num(r.scores[by], nan=-np.inf))[:n]


def difference(a, b, name="test_accuracy"):
    """Return mean and 95 % confidence half-width of the paired difference a - b of an accuracy, in points.

    a, b: lists of results of equal length, paired by position (same seed). Student's t with n - 1 degrees of freedom.
    """
    differences = 100 * (score(a, name) - score(b, name))
    n = len(differences)
    half = t_975(n - 1) * differences.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return differences.mean(), half


def t_975(df):
    """Return the 97.5 % quantile of Student's t for df degrees of freedom, to three decimals.

    Beyond the table by the first terms of its expansion around the normal distribution's (Abramowitz & Stegun 26.7.5),
    so that SciPy is not needed for it.
    """
    table = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
    if df <= len(table):
        return table[df - 1]
    z = 1.959964
    terms = z, (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return sum(term / df**power for power, term in enumerate(terms))


#: heads of the columns of ``variants``
HEADS = {
    "test_accuracy": "Test / %",
    "initial_train_loss_fig": "Loss at first",
    "train_loss_at_step_4500_fig": "Half-way",
    "final_train_loss_fig": "At the end",
    "final_train_cost_fig": "Cost at the end",
    "final_train_accuracy_fig": "Training accuracy",
    "final_train_loss": "Training loss",
    "final_val_loss_fig": "Validation",
    "final_val_loss": "Validation loss",
    "step_at_which_loss_leaves_2.30_fig": "Leaves 2.30",
    "gain_over_S002-3L-BN": "Gain / %",
    "gain_over_S002-9L-BN": "Gain / %",
    "rank1_lambda": "Best $\\lambda$",
    "rank1_val_accuracy": "First / %",
    "rank2_val_accuracy": "Second / %",
    "rank3_val_accuracy": "Third / %",
}


def variants(observations, names, reported=True):
    """Return a table of observations (see reproduction.observe) beside what was reported: one row a variant.

    names: {experiment_id: name in the table}, which choose and order; the columns are those of HEADS that they need.
    Cells are mean ± sd over repeats, of a winner's lambda the range of the plateau; accuracies in %. reported: whether
    the reported numbers are shown; beside numbers from stand-in images they should not be.
    """
    known = reproduction.reported()
    percent = set(known.query("unit == 'fraction'")[["experiment_id", "quantity"]].itertuples(index=False, name=None))
    known = known.assign(variant="reported", value=known["value"].map(reproduction.number))
    frame = pd.concat([known, pd.DataFrame(observations)] if reported else [pd.DataFrame(observations)])
    groups = {key: group["value"] for key, group in frame.groupby(["experiment_id", "variant", "quantity"])}
    table, previous = [], None
    for identifier, variant in ((i, v) for i in names for v in ("reported", *reproduction.VARIANTS)):
        found = {q: groups[identifier, variant, q] for q in HEADS if (identifier, variant, q) in groups}
        if found:
            name = "" if identifier == previous else names[identifier].replace(" ", "\u00a0")  # cells of one line
            row = {"": name, "Variant": variant}
            row |= {HEADS[q]: _cell(v * (100 if (identifier, q) in percent else 1), q) for q, v in found.items()}
            table.append(row)
            previous = identifier
    columns = dict.fromkeys(["", "Variant", *HEADS.values()])
    return pd.DataFrame(table, columns=[head for head in columns if any(head in row for row in table)])


def _cell(values, quantity):
    """The values of one quantity in a table, as a text of one line."""
    if quantity.endswith("lambda"):
        low, high = f"{values.min():.2g}", f"{values.max():.2g}"
        return low if low == high else f"{low}\u00a0to\u00a0{high}"
    style = ".0f" if "step_at" in quantity else ".2f" if values.abs().max() < 1e4 else ".0e"
    spread = f"\u00a0±\u00a0{values.std(ddof=1):{style}}" if len(values) > 1 else ""
    return f"{values.mean():{style}}{spread}"


def run_times(records):
    """Return a table of how many networks of each kind were trained and how long; records as store.current has them."""
    frame = pd.DataFrame([r["run"]["experiment"] | {"seconds": r["run"]["seconds"]} for r in records])
    frame["updates"] = frame["updates"].fillna(2 * frame["n_s"] * frame["cycles"]).astype(int)
    kind = [frame["hidden"].map(lambda h: len(h) + 1), "batch_norm", "updates", "batch_size"]
    grouped = frame.groupby(kind)["seconds"].agg(["size", "mean"]).reset_index()
    return grouped.set_axis(["Layers", "BN", "Updates", "Batch", "Networks", "s each"], axis=1)


def environment(records):
    """Return a table of the machines that trained the records and of the software that runs here."""
    machines = sorted(
        {f"{r['run']['machine']}, Python {r['run']['python']}, NumPy {r['run']['numpy']}" for r in records}
    )
    here = {"Trained on": "; ".join(machines), "Processor": _processor(), "Cores": os.cpu_count()}
    packages = (
        "numpy",
        "matplotlib",
        "pandas",
        "papermill",
        "nbconvert",
        "distributed",
        "pypandoc_binary",
        "typst",
    )
    here |= {package: version(package) for package in packages}
    return pd.DataFrame({"What": name, "Which": str(value)} for name, value in here.items())


def _processor():
    """The processor's name as Linux knows it, else what Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
