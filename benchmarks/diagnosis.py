"""Does the diagnosis find mistakes that are known? ``python -m benchmarks.diagnosis`` repeats all trials.

Planted mistakes: networks of the assigned setting are trained with one mistake and seeds that the search does not use;
their numbers are what a "report" prints. Nothing planted: the same without a mistake. Reports: numbers that students
printed, whose mistake is known from their programs. The tables go to docs/diagnosis.md. All results are kept in
``reports/results``, so a second call takes a few minutes.
"""

import re
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pandas as pd

from workbook.claims import diagnose, measure, mistakes, verdicts
from workbook.claims.file import load
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
        "minibatches 2 times larger", "minibatches 2 times smaller", "no reshuffling", "one cycle more",
        "n_s half as large", "lambda counted half", "lambda counted twice", "He and Xavier swapped",
        "test data normalised by themselves", "raw pixels", "BN with the evaluated set's statistics",
        "running averages with weight 0.7",
        "running averages with weight 0.99", "BN after the ReLU", "test accuracy printed for training accuracy",
        "cost printed for loss",
    ],
}  # fmt: skip
SEARCH_SEEDS = 5
#: report, experiments that one program made, and what that program is known to have done
REPORTS = [
    ("002", ("3L-NOBN", "9L-NOBN"), "minibatches of 450 images instead of 100"),
    ("002", ("3L-BN", "9L-BN"), "the same, and BN with the evaluated set's statistics"),
    ("002", ("SENS-NOBN-1e-1", "SENS-BN-1e-1", "SENS-NOBN-1e-3", "SENS-BN-1e-3", "SENS-NOBN-1e-4", "SENS-BN-1e-4"),
     "1/sqrt(sigma) for sigma; minibatches of 450; BN with the evaluated set's statistics"),
    ("003", ("A", "B", "C", "D"), "test accuracies in a column headed as training data"),
]  # fmt: skip
FOUND = {"First or tied": "first", "Alone": "alone"}
DOCUMENT = store.ROOT / "docs" / "diagnosis.md"


class Missing(Exception):
    """Experiments that are not in the store yet."""


def is_stored(experiment):
    """Return whether the store has an experiment's result."""
    return (store.RESULTS / f"{key(experiment)}.json").exists()


@cache
def stored(experiment):
    """Return the Result of an experiment from the store."""
    return Result(experiment, key(experiment), **store.load(key(experiment)))


def all_stored(experiments):
    """Return the Results of experiments from the store. Raises Missing with all that are not there."""
    missing = [e for e in experiments if not is_stored(e)]
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


def values(experiments, reads=None):
    """Return the numbers of PRINTED of stored experiments, (experiments, numbers); reads: what was printed for what."""
    names = [(reads or {}).get(quantity, quantity) for quantity in PRINTED]
    return np.array([[measure.read(name, result) for name in names] for result in all_stored(experiments)])


def trial(base, planted, reads):
    """Return the Diagnosis of a report with the numbers of a planted Experiment, for a search in the store."""
    reported = [round(x, digits) for x, digits in zip(values([planted], reads)[0], PRINTED.values(), strict=True)]
    errors = np.array([0.5 * 10.0**-digits for digits in PRINTED.values()])
    margins = np.array([quantity(q).margin for q in PRINTED])
    case = diagnose.Case("planted", base, list(PRINTED), np.array(reported), errors, margins)
    search = diagnose.Search([case], mistakes.load())
    search.train({(search.stated, 0): SEARCH_SEEDS})
    search.narrow(SEARCH_SEEDS)
    return search.diagnosis()


def shifts(base):
    """Return, for every mistake, by how much it moves the numbers of a network, and which number it moves the most.

    Columns: shift (mean difference at equal seeds over the half-width of the 95 % interval of one more draw without a
    mistake; of the number that it moves the most), quantity, difference, seeds (those that the search has trained).
    """
    plain = values(vary(base, seed=range(SEARCH_SEEDS)))
    others = values(vary(base, seed=NOTHING, order_seed=NOTHING))
    half = verdicts.half_width(len(others), others.std(axis=0, ddof=1))
    rows = []
    for mistake in mistakes.load():
        changed, reads = mistakes.applied(mistake, base), mistake.get("read", {})
        trained = [e for e in vary(changed, seed=range(SEARCH_SEEDS)) if is_stored(e)]
        if changed == base and not reads.keys() & PRINTED.keys():
            continue
        moved = (values(trained, reads) - plain[: len(trained)]).mean(axis=0)
        most = np.argmax(np.abs(moved / half))
        where = {"quantity": list(PRINTED)[most], "difference": moved[most], "seeds": len(trained)}
        rows.append({"name": mistake["name"], "shift": abs(moved / half)[most]} | where)
    return pd.DataFrame(rows).set_index("name")


def planted():
    """Return one row for each trial: network, mistake ("" for none), seed, first, alone, named, tflop."""
    named = {mistake["name"]: mistake for mistake in mistakes.load()}
    plans = []
    for network, base in BASES.items():
        plans += [(network, "", seed, base, {}) for seed in NOTHING]
        for name in PLANTED[network]:
            changed, reads = mistakes.applied(named[name], base), named[name].get("read", {})
            plans += [(network, name, seed, changed, reads) for seed in SEEDS]
    trials = [
        partial(trial, BASES[network], replace(changed, seed=seed, order_seed=seed), reads)
        for network, _, seed, changed, reads in plans
    ]
    rows = []
    for (network, name, seed, *_), found in zip(plans, settle(trials), strict=True):
        judged = {"first": name in found.tied, "alone": found.tied == [name], "named": found.tied}
        rows.append({"network": network, "name": name, "seed": seed, "tflop": found.tflop} | judged)
    return pd.DataFrame(rows)


def reports():
    """Return the diagnoses of reported numbers whose mistakes are known."""
    trials = []
    for name, experiments, _ in REPORTS:
        report = load(store.ROOT / "reports" / "claims" / f"{name}.yml")
        trials.append(partial(diagnose.diagnose, report, [experiments], seeds=SEARCH_SEEDS))
    return [found for (found,) in settle(trials)]


def of_reports(found):
    """Return the rows of the first table, texts."""
    return [
        {"Report": name, "Experiments": ", ".join(experiments), "Known of its program": known,
         "The likeliest": "; ".join(d.tied) or "–",
         "In agreement": "; ".join(d.table.query("verdict == 'fits'")["name"]) or "–", "TFLOP": f"{d.tflop:.0f}"}
        for (name, experiments, known), d in zip(REPORTS, found, strict=True)
    ]  # fmt: skip


def of_planted(trials, moved):
    """Return the rows of the table of planted mistakes, texts."""
    rows = []
    for (network, name), group in trials.query("name != ''").groupby(["network", "name"], sort=False):
        shift = moved[network].loc[name]
        together = sorted({each for named in group["named"] for each in named} - {name})
        found = {head: f"{group[column].sum()} of {len(group)}" for head, column in FOUND.items()}
        where = {"Network": network, "Planted": name, "Shift": f"{shift['shift']:.1f}"}
        rows.append(where | found | {"Others in first place": "; ".join(together) or "–"})
    return rows


def of_totals(trials, moved):
    """Return the rows of the summary, texts."""
    shift = [moved[t.network].loc[t.name, "shift"] if t.name else 0 for t in trials.itertuples()]
    beyond, nothing = trials[np.array(shift) > 1], trials.query("name == ''")
    kinds = beyond["name"].nunique()
    counts = {
        f"a mistake planted that moves a number beyond its spread ({kinds} kinds): first or tied": beyond["first"],
        "the same: alone in first place": beyond["alone"],
        "nothing planted: none named": ~nothing["named"].astype(bool),
    }
    rows = [{"Trials": text, "Of": len(x), "%": f"{100 * x.mean():.0f}"} for text, x in counts.items()]
    arithmetic = f"{trials['tflop'].mean():.0f}, {trials['tflop'].max():.0f}"
    return [*rows, {"Trials": "TFLOP of one diagnosis: mean, largest", "Of": len(trials), "%": arithmetic}]


def of_hidden(moved):
    """Return the rows of the table of mistakes that move no number beyond its spread, texts."""
    return [
        {"Network": network, "Mistake": m.Index, "Largest shift": f"{m.shift:.2f}",
         "Of": f"{m.quantity.replace('_', ' ')}, {m.difference:+.2f}", "Seeds": m.seeds}
        for network, table in moved.items()
        for m in table.query("shift <= 1").itertuples()
    ]  # fmt: skip


def main():
    """Run all trials and put their tables into docs/diagnosis.md."""
    diagnose.run = all_stored
    trials = planted()
    moved = {network: shifts(base) for network, base in BASES.items()}
    tables = {"totals": of_totals(trials, moved), "planted": of_planted(trials, moved), "hidden": of_hidden(moved),
              "reports": of_reports(reports())}  # fmt: skip
    text = DOCUMENT.read_text()
    for name, rows in tables.items():
        begin, end = f"<!-- {name}: python -m benchmarks.diagnosis -->", f"<!-- end of {name} -->"
        text = re.sub(f"{begin}.*?{end}", f"{begin}\n\n{markdown(rows)}\n\n{end}", text, flags=re.S)
    DOCUMENT.write_text(text)


def markdown(rows):
    """Return rows (dicts of texts) as a table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    main()
