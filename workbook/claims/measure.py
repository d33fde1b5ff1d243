"""Trains what claim files describe and reads their quantities: one value a seed, paired over experiments and variants.

Repeat number i has its initial weights from seed i and draws the trials of a search anew; the order of the minibatches
is always the same. The rule in ``verdicts`` makes the rounds: everything as stated; as coded where a number differs as
stated; more seeds where there is no verdict yet. All runs of a round, of all reports, go to the engine together.
"""

from dataclasses import replace
from fnmatch import filter as matching

import numpy as np

from lib import data
from workbook.claims import gradients, trials, verdicts
from workbook.claims.file import KINDS
from workbook.claims.quantities import quantity
from workbook.runs import cost, engine
from workbook.runs.experiment import make
from workbook.runs.profiles import profiled

DEAR = 1.5e12  # floating point operations: an experiment of which one repeat takes more is not repeated more often
DRY_SEEDS, DRY_TRIALS = 2, 4  # of the dry profile, which only shows that everything runs


def measure(report, profile="full", data_name="auto"):
    """Return {(experiment, variant, name of the quantity): values (seeds,)} of a file.Report; NaN: no value."""
    return trained([report], profile, data_name)[0][0]


def trained(reports, profile="full", data_name="auto"):
    """Return for each report what ``measure`` returns, and {(experiment, variant): [Results of a repeat, ...]}.

    Raises what the engine raises. What is stored is not trained again, so an interrupted call goes on.
    """
    plans = [Plan(report, profile, data.load(data_name).name) for report in reports]
    while True:
        wanted = {(i, *task): runs for i, plan in enumerate(plans) for task, runs in plan.runs().items()}
        found = engine.run_groups(wanted)
        for i, plan in enumerate(plans):
            plan.take({tuple(task): results for (number, *task), results in found.items() if number == i})
        if not any([plan.grow() for plan in plans]):
            return [(plan.measured, plan.results) for plan in plans]


class Plan:
    """Which variants of a report are trained with how many seeds, and what came out so far."""

    def __init__(self, report, profile, data_name):
        self.report, self.profile, self.data_name = report, profile, data_name
        self.dry = profile == "dry"
        self.first = DRY_SEEDS if self.dry else report.seeds
        self.seeds = dict.fromkeys(report.experiments, self.first)
        self.coded = {name for e in report.effects for name, variant in (e.better, e.worse) if variant == "coded"}
        self.coded |= set(report.experiments) if self.dry else set()
        self.results, self.measured = {}, {}

    def tasks(self):
        """Return {(experiment, variant): seeds}."""
        return {
            (name, variant): self.first if variant == "assigned" else self.seeds[name]
            for name, claimed in self.report.experiments.items()
            for variant in claimed.variants
            if variant != "coded" or name in self.coded
        }

    def runs(self):
        """Return {(experiment, variant, seed): Experiments}."""
        most = DRY_TRIALS if self.dry else None
        return {
            (*task, seed): [profiled(e, self.profile) for e in runs(self.report, *task, seed, self.data_name)[:most]]
            for task, n in self.tasks().items()
            for seed in range(n)
        }

    def take(self, found):
        """Take over {(experiment, variant, seed): Results} and read all quantities from them."""
        self.results = {task: [found[*task, seed] for seed in range(n)] for task, n in self.tasks().items()}
        for (name, variant), repeats in self.results.items():
            claimed = self.report.experiments[name]
            asked = [e.quantity.name for e in self.report.effects if (name, variant) in (e.better, e.worse)]
            found = {each: self._values(claimed, variant, each, repeats) for each in [*claimed.numbers, *asked]}
            self.measured |= {(name, variant, each): values for each, values in found.items() if len(values)}

    def _values(self, claimed, variant, name, repeats):
        """Return the values (seeds,) of one quantity."""
        what = quantity(claimed.reads[variant].get(name, name))
        if what.kind == "setting":
            return np.array([trials.setting(claimed.name, claimed.variants[variant], what.how["setting"])])
        if what.kind == "gradient":
            asked = claimed.variants[variant], what.how["gradient"]
            return np.array([gradients.value(*asked, seed, self.data_name) for seed in range(len(repeats))])
        if "rank" in what.how:
            return np.array([_ranked(claimed, variant, what.how, results) for results in repeats])
        if "difference" in what.how:
            other, base = claimed.numbers[name].over, quantity(what.how["difference"])
            if variant not in self.report.experiments[other].variants:
                variant = "stated"
            there = self.results.get((other, variant), [])  # none where the other one is not trained as coded
            return np.array([read(base, a) - read(base, b) for [a], [b] in zip(repeats, there, strict=False)])
        return np.array([read(what, result) for [result] in repeats])

    def grow(self):
        """Plan another round by what was measured; return whether one is needed."""
        before = self.tasks()
        for claimed in self.report.experiments.values():
            for name, number in claimed.numbers.items():
                found = (self.measured.get((claimed.name, v, name)) for v in ("stated", "coded"))
                self._judge(claimed, number, *found)
        return self.tasks() != before

    def _judge(self, claimed, number, stated, coded):
        """Plan what one number needs: another variant, or more seeds of both."""
        if number.quantity.kind == "setting":
            return
        values = scaled(number, stated)
        if verdicts.verdict(*values) == "differs" and "coded" in claimed.variants:
            self.coded |= {claimed.name, number.over or claimed.name}
            values = scaled(number, coded) if coded is not None else values
        n = self.seeds[claimed.name]
        cheap = sum(cost.flop(result.experiment) for result in self.results[claimed.name, "stated"][0]) < DEAR
        if cheap and not self.dry and not verdicts.enough(*values):
            n = min(n + verdicts.STEP, verdicts.MOST)
        for name in (claimed.name, number.over or claimed.name):
            self.seeds[name] = max(self.seeds[name], n)


def runs(report, name, variant, seed, data_name):
    """Return the Experiments of one repeat: the network, the trials of a search, nothing for a gradient check."""
    claimed = report.experiments[name]
    settings = claimed.variants.get(variant, claimed.variants["stated"])
    if claimed.kind == "gradient check":
        return []
    fields = {field: value for field, value in settings.items() if field not in KINDS["search"]}
    one, tried = make(fields | {"data": data_name, "seed": seed}), settings.get("trials")
    if claimed.kind == "networks":
        return [one]
    best = trials.winners(claimed.numbers)
    if tried == "winners":
        return [_at(one, best[rank]) for rank in sorted(best)]
    if isinstance(tried[0], str):
        others = [other for pattern in tried for other in matching(report.experiments, pattern)]
        return [run for other in others for run in runs(report, other, variant, seed, data_name)]
    groups = trials.trained(name, settings, seed)
    if settings.get("carried"):
        stages = [tuple((fields["eta_max"], fields["l2"]) for fields in group) for group in groups]
        return [replace(one, odd=replace(one.odd, stages=each)) for each in stages]
    made = [replace(one, **fields) for group in groups for fields in group]
    best = [fields for fields in best.values() if fields.keys() <= {"l2", "eta_max"}]
    return made + [_at(one, each) for each in best if not any(_is(each, trial, i) for i, trial in enumerate(made))]


def _at(one, fields):
    """Return an Experiment at the values of the Numbers {field: Number}."""
    return replace(one, **{field: number.value for field, number in fields.items()})


def _is(fields, trial, index):
    """Return whether a trial has the reported values {field: Number}, up to their printed digits."""
    values = {"l2": trial.l2, "eta_max": trial.eta_max, "layers": len(trial.hidden) + 1, "trial": index}
    return all(abs(values[field] - n.value) <= n.error * (1 + 1e-9) for field, n in fields.items())


def _ranked(claimed, variant, how, results):
    """Return the score of a rank, in %, or how many points the score at a reported winner is below our best trial's."""
    settings, rank = claimed.variants[variant], int(how["rank"])
    if settings.get("carried"):
        results = [trial for result in results for trial in _carried(result)]
    score = claimed.reads[variant].get("validation_accuracy", "validation_accuracy")
    scores, best = np.array([read(score, result) for result in results]), trials.winners(claimed.numbers)
    if settings["trials"] == "winners":  # the values were taken from the report
        return np.nan if "winner" in how else scores[sorted(best).index(rank)]
    if "winner" not in how:
        return np.sort(np.nan_to_num(scores, nan=-np.inf))[-rank] if rank <= len(scores) else np.nan
    same = [score for i, score in enumerate(scores) if _is(best[rank], results[i].experiment, i)]
    return np.nanmax(scores) - same[0] if same else np.nan


def _carried(result):
    """Return the trials of a run with stages as Results of their own."""
    accuracies = result.curves["validation_accuracy"][1:]
    for (eta, l2), accuracy in zip(result.experiment.odd.stages, accuracies, strict=True):
        one = replace(result.experiment, eta_max=eta, l2=l2)
        yield replace(result, experiment=one, scores={"validation_accuracy": accuracy})


def read(what, result):
    """Return a quantity (its name, or a Quantity) of one network's Result, in the quantity's unit; NaN: no value."""
    what = quantity(what) if isinstance(what, str) else what
    how, factor = what.how, 100 if what.unit == "%" else 1
    if "score" in how:
        return factor * result.scores.get(how["score"], np.nan)
    updates, values = np.array(result.curves["update"]), np.array(result.curves[how["curve"]], float)
    if "best" in how:
        return factor * {"min": np.nanmin, "max": np.nanmax}[how["best"]](values)
    if "leaves" in how:
        below = np.flatnonzero(values < float(how["leaves"]) - 0.01)
        return float(updates[max(below[0] - 1, 0)]) if len(below) else np.nan
    one = result.experiment
    length = one.total_updates // max(1, len(one.odd.stages))
    where = how.get("at", 0) * length  # in the last stage, where there are several
    if "epoch" in how:
        where = int(how["epoch"]) * ((cost.sizes(one)[0] - one.odd.skip) // one.batch_size)
    if "cycle" in how:
        where = int(how["cycle"]) * 2 * one.n_s
    return factor * values[np.argmin(np.abs(updates - (one.total_updates - length) - where))]


def scaled(number, values):
    """Return reported value, reading error, margin and values as they are judged: see ``verdicts``."""
    what = number.quantity
    if what.kind == "winner":  # by how many points its score is below our best
        return 0.0, 0.0, what.margin, values
    if what.kind == "gradient":
        size = max(abs(number.value), verdicts.ROUNDING)
        error = np.log10(1 + number.error / size) if abs(number.value) > verdicts.ROUNDING else 0.0
        return verdicts.magnitude(number.value), error, what.margin, verdicts.magnitude(values)
    return number.value, number.error, what.margin, values
