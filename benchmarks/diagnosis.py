"""Does the diagnosis find mistakes that are known? ``python -m benchmarks.diagnosis`` repeats all trials (docs/diagnosis.md).

Planted mistakes: networks of the assigned setting are trained with one mistake and seeds that the search does not use;
their numbers are what a "report" prints. Nothing planted: the same without a mistake. Reports: numbers that students
printed, whose mistake is known from their programs. All results are kept in ``reports/results``, so a second call takes
a minute; the first one trains about as much as two course reports.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from lib import data
from workbook.claims import diagnose, measure, verdicts
from workbook.claims.quantities import quantity
from workbook.runs import store
from workbook.runs.engine import Result, run
from workbook.runs.experiment import Experiment, key, vary

BASES = {"without BN": Experiment(init="xavier"), "with BN": Experiment(batch_norm=True)}
SEEDS = 1001, 1002  # of weights and minibatches of planted networks
NOTHING = range(1001, 1011)  # of networks without a mistake
#: what the "reports" print, with the number of digits
PRINTED = {"train_accuracy": 2, "validation_accuracy": 2, "test_accuracy": 2, "final_train_loss": 2,
           "final_validation_loss": 2, "train_loss_half_way": 2}  # fmt: skip
PLANTED = {
    "without BN": [
        "minibatches 2 times larger", "minibatches 4.5 times larger", "minibatches 10 times larger, same epochs",
        "no reshuffling", "one cycle fewer", "n_s 4.5 times smaller", "lambda counted half", "lambda counted twice",
        "He and Xavier swapped", "biases not updated", "every file normalised by itself", "raw pixels",
        "training accuracy printed for test accuracy", "validation accuracy printed for test accuracy",
        "cost printed for loss", "best epoch for last",
    ],
    "with BN": [
        "minibatches 2 times larger", "minibatches 2 times smaller", "no reshuffling", "one cycle more", "n_s half as large",
        "lambda counted half", "lambda counted twice", "He and Xavier swapped", "test data normalised by themselves",
        "raw pixels", "BN with the evaluated set's statistics", "running averages with weight 0.7",
        "running averages with weight 0.99", "BN after the ReLU", "test accuracy printed for training accuracy",
        "cost printed for loss",
    ],
}  # fmt: skip
SEARCH_SEEDS = 5


class Missing(Exception):
    """Experiments that are not in the store yet."""


@cache
def stored(experiment):
    """Return the Result of an experiment from the store. Raises Missing."""
    record = store.load(key(experiment))
    if record is None:
        raise Missing([experiment])
    return Result(experiment, key(experiment), **record)


def all_stored(experiments):
    """Return the Results of experiments from the store. Raises Missing with all that are not there."""
    missing = [e for e in experiments if not (store.RESULTS / f"{key(e)}.json").exists()]
    if missing:
        raise Missing(missing)
    return [stored(e) for e in experiments]


def settle(trials):
    """Return what functions without arguments return, training together what they miss until they miss nothing."""
    while True:
        found, missing = [], {}
        for trial in trials:
            try:
                found.append(trial())
            except Missing as error:
                missing |= dict.fromkeys(error.args[0])
        if not missing:
            return found
        run(list(missing))


def numbers(result, reads=None):
    """Return the numbers of PRINTED of a Result as a report would print them."""
    return np.array([round(measure.read((reads or {}).get(q, q), result), digits) for q, digits in PRINTED.items()])


def trial(base, planted, reads):
    """Return the Diagnosis of a report with the numbers of a planted Experiment, for a search in the store."""
    (result,) = all_stored([planted])
    errors = np.array([0.5 * 10.0**-digits for digits in PRINTED.values()])
    margins = np.array([quantity(q).margin for q in PRINTED])
    case = diagnose.Case("planted", base, list(PRINTED), numbers(result, reads), errors, margins)
    search = diagnose.Search([case], diagnose.load())
    search.train({(search.stated, 0): SEARCH_SEEDS})
    search.narrow(SEARCH_SEEDS)
    return search.diagnosis()
