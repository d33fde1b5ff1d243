"""Results as tables: pandas DataFrames that notebooks show and files keep."""

import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lib.data import CLASSES


def rows(results):
    """Return a DataFrame, one row for each run: its settings, its final scores (accuracies as fractions), its key."""
    return pd.DataFrame([asdict(r.experiment) | r.scores | {"diverged": r.diverged, "key": r.key} for r in results])


def score(results, name):
    """Return one final score of a list of results as a float64 array (n,), e.g. "test_accuracy"."""
    return np.array([r.scores[name] for r in results])


def percent(results, name="test_accuracy", digits=2):
    """Return "mean ± sd" of an accuracy over repeats, in %, sd with n - 1; without ± for a single run."""
    values = 100 * score(results, name)
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def accuracies(groups):
    """Return a table of training, validation and test accuracy, mean ± sd in %, one row for each list of results."""
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
    """Return a table of the rounds {name: results} of a search over lambda, with the three best of each round."""
    table = []
    for name, results in searches.items():
        values = sorted(r.experiment.l2 for r in results)
        top = "; ".join(f"{r.experiment.l2:.2g} ({100 * r.scores['validation_accuracy']:.2f})" for r in best(results))
        row = {"Round": name, "Range of $\\lambda$": f"{values[0]:.2g} to {values[-1]:.2g}", "Trials": len(results)}
        table.append(row | {"Three best: $\\lambda$ (validation accuracy / %)": top})
    return pd.DataFrame(table)


def best(results, n=3, by="validation_accuracy"):
    """Return the n results with the highest score, the best first; NaN counts as the worst."""
    return sorted(results, key=lambda r: -np.nan_to_num(r.scores[by], nan=-np.inf))[:n]


def difference(a, b, name="test_accuracy", of=1):
    """Return the mean paired difference a - b of an accuracy and the half-width of its 95 % interval, in points.

    a, b: lists of results of equal length, paired by position: the same seed. Student's t with n - 1 degrees of
    freedom; NaN for n = 1. of: how many differences are shown together; the intervals are then so wide that all of them
    hold at once in 95 % of repetitions (Bonferroni).
    """
    differences = 100 * (score(a, name) - score(b, name))
    n = len(differences)
    half = stdtrit(n - 1, 1 - 0.025 / of) * differences.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return differences.mean(), half


def points(effect):
    """Return a ``difference`` in words, such as "+1.20 ± 0.34 points"."""
    mean, half = effect
    return f"{mean:+.2f} points (one pair, no interval)" if np.isnan(half) else f"{mean:+.2f} ± {half:.2f} points"


def sign(effect):
    """Return 1 or -1 where the whole interval of a ``difference`` lies on one side of 0, and 0 where it does not."""
    mean, half = effect
    return int(np.sign(mean)) if abs(mean) > half else 0


def confusion(labels, predicted):
    """Return how many images (n,) of each class, one row a class, were given to each class, one column a class."""
    counts = np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(counts, (labels, predicted), 1)
    return pd.DataFrame(counts, pd.Index(CLASSES, name="Class"), CLASSES)


def environment(records):
    """Return a table of the machines that trained the records and of the software that runs here."""
    machines = {f"{r['run']['machine']}, Python {r['run']['python']}, NumPy {r['run']['numpy']}" for r in records}
    here = {"Trained on": "; ".join(sorted(machines)), "Processor": _processor(), "Cores": os.cpu_count()}
    for package in "numpy matplotlib pandas scipy papermill nbconvert distributed pypandoc_binary typst".split():
        here[package] = version(package)
    return pd.DataFrame({"What": name, "Which": str(value)} for name, value in here.items())


def _processor():
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
