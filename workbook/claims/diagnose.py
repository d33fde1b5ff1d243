"""Which mistake made this number? Tries what commonly goes wrong in the course's programs, listed in ``mistakes.yml``.

A mistake belongs to a program, so it is judged by all numbers of an experiment, or of several that one program made.
Every candidate is trained with the seeds of the network as stated, and its likelihood is computed (``likelihood``).

The *gain* of a candidate is its log likelihood minus that of the network as stated. With a gain of NAMED or more it
*fits* if the joint test of all numbers does not reject it at 5 %, or if every number agrees by the rule in
``verdicts``; it is *nearer* if its distance to the report, in typical spreads, is at most NEARER of what it was.
Candidates whose log likelihoods differ by less than TIED cannot be told apart.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from lib import data
from workbook.claims import measure, verdicts
from workbook.claims.likelihood import FLOOR, likelihood, pooled
from workbook.claims.mistakes import MISTAKES, applied, load
from workbook.runs.cost import flop
from workbook.runs.engine import run
from workbook.runs.experiment import Experiment

NAMED, TIED = 3.0, 2.0  # log likelihoods
HOPELESS, UNLIKELY = 8.0, 4.0  # below the best: given up after one or two seeds; not worth more than two
BUDGET = 90  # as much arithmetic as this many networks as stated: 59 TFLOP for three layers and two cycles
NEARER = 0.75
STAGES = (1, 2)  # seeds after each of which the hopeless are given up


@dataclass
class Case:
    """The numbers of one experiment that are to be explained: arrays of one value for each quantity."""

    name: str
    stated: Experiment  # not yet shortened by a profile
    quantities: list[str]
    reported: np.ndarray
    errors: np.ndarray  # half-widths
    margins: np.ndarray
    reads: dict[str, str] = field(default_factory=dict)  # the quantity that was printed for another one


@dataclass(eq=False)
class Candidate:
    """A mistake, or none: for each case the experiment with the mistake made, and how its quantities are read."""

    name: str
    sentence: str
    experiments: list[Experiment]
    quantities: list[list[str]]
    values: list[np.ndarray]  # (seeds, quantities)
    gain: float = 0.0
    p: float = 1.0
    distance: float = 0.0  # to the report, in typical spreads
    z: list[np.ndarray] = field(default_factory=list)  # reported values minus means, in deviations of one more draw
    tried: bool = False  # in all cases that were begun
    live: bool = True


@dataclass
class Diagnosis:
    """What was found for some experiments."""

    experiments: list[str]
    tied: list[str]  # the likeliest mistake, and those that cannot be told apart from it
    conclusion: str
    table: pd.DataFrame  # all mistakes, the likeliest first: name, sentence, gain, p, seeds, verdict, leaves
    tflop: float


def diagnose(report, experiments=None, profile="full", data="auto", seeds=5, mistakes=MISTAKES):
    """Return a list of Diagnosis for experiments of a claim file whose numbers do not agree as stated.

    report: as ``file.load`` returns it. experiments: names; those in a tuple were made by one program and are judged
    together. None: every experiment by itself of which a number differs, or cannot be told while all fail the joint
    test. seeds: of the network as stated and of the candidates that its first seeds leave likely. mistakes: a file.
    """
    found = []
    for names in experiments or report.experiments:
        names = [names] if isinstance(names, str) else names
        cases = [case(report, name, data) for name in names]
        if None in cases:  # a search, or no number that is read from one network
            continue
        search = Search(cases, load(mistakes), profile)
        search.train({(search.stated, i): seeds for i in range(len(cases))})
        if experiments or not search.agrees():
            search.narrow(seeds)
            found.append(search.diagnosis())
    return found


class Search:
    """The candidates for some cases, and what training them has shown so far."""

    def __init__(self, cases, mistakes, profile="full"):
        self.cases, self.results, self.spent = cases, {}, 0.0
        self.stated = self._candidate({"name": "as stated", "sentence": ""}, profile)
        candidates = [self._candidate(mistake, profile) for mistake in mistakes]
        same = self.stated.experiments, self.stated.quantities
        self.candidates = [c for c in candidates if (c.experiments, c.quantities) != same]
        self.budget = BUDGET * sum(map(flop, self.stated.experiments))

    def _candidate(self, mistake, profile):
        """Return the candidate of a mistake."""
        experiments = [applied(mistake, case.stated, profile) for case in self.cases]
        reads = [case.reads | mistake.get("read", {}) for case in self.cases]
        quantities = [[r.get(q, q) for q in case.quantities] for r, case in zip(reads, self.cases, strict=True)]
        values = [np.empty((0, len(names))) for names in quantities]
        return Candidate(mistake["name"], mistake["sentence"], experiments, quantities, values)

    def train(self, wanted):
        """Train candidates, {(candidate, number of the case): seeds} in the order of the budget, and judge all."""
        for (candidate, i), seeds in wanted.items():
            for experiment in _seeded(candidate.experiments[i], seeds):
                if experiment not in self.results and self.spent + flop(experiment) <= self.budget:
                    self.spent += flop(experiment)
                    self.results[experiment] = None
        missing = [experiment for experiment, result in self.results.items() if result is None]
        if missing:
            self.results |= zip(missing, run(missing), strict=True)
        for (candidate, i), seeds in wanted.items():
            trained = [self.results[e] for e in _seeded(candidate.experiments[i], seeds) if e in self.results]
            rows = [[measure.read(name, result) for name in candidate.quantities[i]] for result in trained]
            candidate.values[i] = np.array(rows, float).reshape(-1, len(candidate.quantities[i]))
        self.judge()

    def judge(self):
        """Give every candidate its gain and the p-value of its joint test; give up those far below the best."""
        everyone = [self.stated, *self.candidates]
        logs, p, squares = np.full((3, len(everyone), len(self.cases)), np.nan)
        for candidate in everyone:
            candidate.z = [np.zeros(len(case.quantities)) for case in self.cases]
        for i, case in enumerate(self.cases):
            spread = pooled([candidate.values[i] for candidate in everyone], FLOOR * case.margins)
            for row, candidate in enumerate(everyone):
                if len(candidate.values[i]):
                    found = likelihood(case, candidate.values[i], *spread)
                    logs[row, i], p[row, i], squares[row, i], candidate.z[i] = found
        begun = ~np.isnan(logs[1:]).all(axis=0)
        tried = ~np.isnan(logs[:, begun]).any(axis=1)
        gains = np.nansum(logs - logs[0], axis=1)
        for row, candidate in enumerate(everyone):
            candidate.gain, candidate.tried = gains[row], bool(tried[row])
            candidate.distance = np.sqrt(np.sum(squares[row]))
            candidate.p = chdtrc(2 * len(self.cases), -2 * np.log(np.maximum(p[row], 1e-99)).sum())  # Fisher's method
            if tried[row] and gains[row] < gains[tried].max() - HOPELESS:
                candidate.live = False

    def narrow(self, seeds):
        """Train the candidates, one case after the other, and with all seeds those that may come to be named."""
        cases = sorted(range(len(self.cases)), key=lambda i: flop(self.stated.experiments[i]))
        for i in cases:
            for n in STAGES:
                self.train({(c, i): n for c in self.likely()})
        best = max((c.gain for c in self.likely()), default=0.0)
        worth = [c for c in self.likely() if c.gain >= max(0, best - UNLIKELY)]
        self.train({(c, i): self.most(c, i, seeds) for c in worth for i in cases})

    def most(self, candidate, i, seeds):
        """Return how many seeds a candidate is worth: fewer where a network takes more arithmetic, but two."""
        times = flop(candidate.experiments[i]) / flop(self.stated.experiments[i])
        return min(seeds, max(STAGES[-1], round(1.5 * seeds / times)))

    def likely(self):
        """Return the candidates that are not given up, the likeliest first, among equals the cheapest."""
        live = [candidate for candidate in self.candidates if candidate.live]
        return sorted(live, key=lambda c: (-round(c.gain), sum(map(flop, c.experiments))))

    def agrees(self):
        """Return whether no number of the network as stated differs, and all agree or pass the joint test."""
        return "differs" not in self.verdicts(self.stated) and self.fits(self.stated)

    def fits(self, candidate):
        """Return whether the joint test of all numbers passes, or every number agrees."""
        return candidate.p >= 0.05 or self.verdicts(candidate) == {"agrees"}

    def verdicts(self, candidate):
        """Return the set of verdicts on all numbers."""
        pairs = zip(self.cases, candidate.values, strict=True)
        judged = (verdicts.verdict(case.reported, case.errors, case.margins, values.T) for case, values in pairs)
        return set(np.concatenate(list(judged)))

    def diagnosis(self):
        """Return the Diagnosis from what has been trained so far."""
        ranked = sorted(self.candidates, key=lambda c: (c.tried, c.gain), reverse=True)
        live = [c for c in ranked if c.live and c.tried]
        best = live[0].gain if live else 0.0
        names = ("name", "sentence", "gain", "p")
        table = pd.DataFrame([{name: getattr(c, name) for name in names} for c in ranked], columns=names)
        table["seeds"] = [max(map(len, c.values)) for c in ranked]
        table["verdict"] = [self._verdict(c, best) for c in ranked]
        table["leaves"] = [self._leaves(c) if self._verdict(c, best) == "nearer" else "" for c in ranked]
        tied = [c.name for c in live if c.gain > best - TIED]
        if not live or self._verdict(live[0], best) not in ("fits", "nearer"):
            tied = []
        conclusion = _conclusion(table, tied, self.fits(self.stated))
        return Diagnosis([case.name for case in self.cases], tied, conclusion, table, self.spent / 1e12)

    def _verdict(self, candidate, best):
        """Return "fits", "nearer", "no better", "ruled out" or "not tried"; best: the highest gain of any."""
        if not candidate.tried:
            return "not tried" if candidate.live else "ruled out"
        enough = candidate.gain >= NAMED or candidate.gain > best - TIED >= NAMED - TIED
        if candidate.live and enough and self.fits(candidate):
            return "fits"
        if candidate.gain >= NAMED and candidate.distance <= NEARER * self.stated.distance:
            return "nearer"
        return "no better" if candidate.live and candidate.p >= 0.05 else "ruled out"

    def _leaves(self, candidate):
        """Return which numbers are still off by more than two deviations: reported value minus mean."""
        return ", ".join(
            f"{case.name}: {quantity.replace('_', ' ')} {case.reported[k] - np.nanmean(values[:, k]):+.2f}"
            for case, values, z in zip(self.cases, candidate.values, candidate.z, strict=True)
            for k, quantity in enumerate(case.quantities)
            if abs(z[k]) > 2
        )


def _seeded(experiment, seeds):
    return [replace(experiment, seed=seed) for seed in range(seeds)]


def case(report, name, data_name="auto"):
    """Return the Case of an experiment of a claim file, None where no number of it is read from one network's run."""
    claimed = report.experiments[name]
    numbers = {each: n for each, n in claimed.numbers.items() if n.quantity.how.keys() & {"score", "curve"}}
    numbers = {each: n for each, n in numbers.items() if "leaves" not in n.quantity.how}  # it may never happen
    if claimed.kind != "networks" or not numbers:
        return None
    (stated,) = measure.runs(report, name, "stated", 0, data.load(data_name).name)
    columns = np.array([[n.value, n.error, n.quantity.margin] for n in numbers.values()]).T
    return Case(name, stated, list(numbers), *columns, claimed.reads.get("stated", {}))


def _conclusion(table, tied, agrees):
    """Return what was found in whole sentences; tied: the likeliest mistakes; agrees: the numbers do, as stated."""
    fits = table.loc[table["verdict"] == "fits", "name"]
    nearer = table[table["verdict"] == "nearer"]
    if not tied and agrees:
        return "The numbers agree as stated: no mistake is needed to explain them."
    if not len(fits) and nearer.empty:
        return f"None of the {len(table)} mistakes that were tried helps."
    text = (
        f"All numbers agree with: {'; '.join(fits)}." if len(fits) else "No mistake brings all numbers into agreement."
    )
    if len(tied) > 1:
        text += f" These cannot be told apart: {'; '.join(tied)}."
    elif len(fits) > 1:
        text += f" The likeliest: {tied[0]}."
    if len(nearer):
        come = (f"{row.name}" + f" (leaves {row.leaves})" * bool(row.leaves) for row in nearer.itertuples(index=False))
        text += f" Nearer than as stated come: {'; '.join(come)}."
    return text
