"""Which mistake made this number? Tries what commonly goes wrong in the course's programs, listed in ``mistakes.yml``.

A mistake belongs to a program, so it is judged by all numbers of an experiment, or of several that one program made.
Every candidate is trained with the seeds of the network as stated. What a report prints is one more draw from the right
candidate's numbers, so the likelihood of a candidate is the density of that draw: a multivariate Student's t around the
mean of its seeds. Few seeds say little about spread: each variance is an average of the candidate's own, which has n - 1
degrees of freedom, and of the typical variance over all candidates, which counts as PRIOR degrees (Smyth, Stat. Appl.
Genet. Mol. Biol. 3 (2004) 3). Loss and accuracy move together; their correlation is pooled over all candidates. The
reading error and FLOOR of the margin are added to the spread.

The *gain* of a candidate is its log likelihood minus that of the network as stated. From a gain of NAMED on it comes
*nearer* to the report, and it *fits* if also the joint test of all numbers does not reject it at 5 %, or if every number
agrees by the rule in ``verdicts``. Candidates whose log likelihoods differ by less than TIED cannot be told apart.
"""

from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import chdtrc, digamma, fdtrc, polygamma
from scipy.stats import multivariate_t

from workbook.claims import measure, verdicts
from workbook.runs.cost import flop
from workbook.runs.engine import run
from workbook.runs.experiment import Experiment, departures, make
from workbook.runs.profiles import profiled
from workbook.runs.yamlfile import load_yaml

MISTAKES = Path(__file__).with_name("mistakes.yml")
PRIOR = 4  # degrees of freedom, as many as five seeds have
FLOOR = 0.2  # standard deviation in margins: our seeds share one order of the minibatches, a report has another one
NAMED, TIED, HOPELESS = 3.0, 2.0, 7.0  # log likelihoods; a candidate HOPELESS below the best is given no more seeds
BUDGET = 90  # as much arithmetic as this many networks as stated: 58 TFLOP for three layers and two cycles

#: what a mistake may do with the value of a field
OPERATIONS = {
    "set": lambda value, new: new,
    "times": lambda value, factor: _number(value, lambda x: x * factor),
    "plus": lambda value, amount: _number(value, lambda x: x + amount),
    "power": lambda value, exponent: _number(value, lambda x: x**exponent),
    "swap": lambda value, pair: dict([pair, pair[::-1]]).get(value, value),
}


def _number(value, change):
    """Return the changed number, a whole one where it was whole; None and names as they are."""
    if not isinstance(value, (int, float)):
        return value
    return round(change(value)) if isinstance(value, int) else change(value)


@dataclass
class Case:
    """The numbers of one experiment that are to be explained: arrays of one value for each quantity."""

    name: str
    stated: Experiment
    quantities: list[str]
    reported: np.ndarray
    errors: np.ndarray  # half-widths
    margins: np.ndarray
    units: list[str]


@dataclass(eq=False)
class Candidate:
    """A mistake, or none: the experiment of every case with the mistake made, and which number was printed for which."""

    name: str
    sentence: str
    experiments: list[Experiment]
    reads: dict[str, str] = field(default_factory=dict)
    values: list = field(default_factory=list)  # of every case (seeds, quantities)
    gain: float = 0.0
    p: float = 1.0
    live: bool = True


@dataclass
class Diagnosis:
    """What was found for some experiments; all mistakes tried are in ``table``, the likeliest first."""

    names: list[str]  # of the experiments
    named: list[str]  # the mistakes that fit, and those that cannot be told apart from the likeliest
    tied: list[str]  # those of them that cannot be told apart from the likeliest
    conclusion: str
    table: pd.DataFrame  # mistake, sentence, seeds, gain, p, verdict, leaves
    tflop: float


def load(path=MISTAKES):
    """Return the mistakes of a file, a list of dicts. Raises ValueError, one line with the place in the file."""
    mistakes, line_of = load_yaml(path)
    known = ("name", "sentence", "read", "where", *OPERATIONS)
    for number, mistake in enumerate(mistakes):
        for name in mistake:
            if name not in known:
                raise ValueError(f"{path}, line {line_of((number, name))}: {name} is none of {', '.join(known)}")
    return mistakes


def applied(mistake, experiment):
    """Return the Experiment with a mistake made: the same where it changes nothing, or where it cannot be made."""
    for name, values in mistake.get("where", {}).items():
        if attrgetter(name)(experiment) not in np.atleast_1d(values).tolist():
            return experiment
    changes = {
        name: change(attrgetter(name)(experiment), amount)
        for operation, change in OPERATIONS.items()
        for name, amount in mistake.get(operation, {}).items()
    }
    try:
        changed = make(departures(experiment) | changes)
    except ValueError:  # such as fewer than one cycle, or a minibatch of one image
        return experiment
    enough = changed.n_train is None or changed.batch_size <= changed.n_train
    return changed if enough else experiment


def diagnose(report, experiments=None, profile="full", data="auto", seeds=5, mistakes=MISTAKES):
    """Return a list of Diagnosis for experiments of a claim file whose numbers do not agree as stated.

    report: as ``file.load`` returns it. experiments: names; several in a tuple were made by one program and are judged
    together. None: every experiment by itself of which a number differs, or cannot be told and fails the joint test.
    seeds: of the network as stated and of candidates that stay likely; two rule the others out, one where a network
    takes more than twice the arithmetic. mistakes: another file of mistakes.
    """
    found = []
    for names in experiments or report.experiments:
        names = [names] if isinstance(names, str) else list(names)
        cases = [measure.case(report, name, profile, data) for name in names]
        if all(cases):
            search = Search(cases, load(mistakes), profile)
            search.train([search.stated], range(len(cases)), seeds)
            if experiments or not search.agrees():
                found.append(search.finish(seeds))
    return found


class Search:
    """The candidates for some cases, and what training them has shown so far."""

    def __init__(self, cases, mistakes, profile="full"):
        self.cases, self.results, self.spent = cases, {}, 0.0
        self.stated = Candidate("as stated", "", [profiled(case.stated, profile) for case in cases])
        self.candidates = []
        for mistake in mistakes:
            changed = [profiled(applied(mistake, case.stated), profile) for case in cases]
            reads = {q: other for q, other in mistake.get("read", {}).items() for c in cases if q in c.quantities}
            if changed != self.stated.experiments or reads:
                self.candidates.append(Candidate(mistake["name"], mistake["sentence"], changed, reads))
        self.budget = BUDGET * sum(map(flop, self.stated.experiments))
        for candidate in (self.stated, *self.candidates):
            candidate.values = [np.empty((0, len(case.quantities))) for case in cases]

    def train(self, wanted):
        """Train candidates with as many seeds as ``wanted`` {(candidate, case number): seeds} says, and judge all.

        The dearest that the budget does not allow for are left out.
        """
        for (candidate, i), seeds in wanted.items():
            for experiment in _seeded(candidate.experiments[i], seeds):
                if experiment not in self.results and self.spent + flop(experiment) <= self.budget:
                    self.spent += flop(experiment)
                    self.results[experiment] = None
        missing = [experiment for experiment, result in self.results.items() if result is None]
        if missing:
            self.results |= zip(missing, run(missing), strict=True)
        for (candidate, i), seeds in wanted.items():
            names = [candidate.reads.get(quantity, quantity) for quantity in self.cases[i].quantities]
            trained = [self.results[e] for e in _seeded(candidate.experiments[i], seeds) if e in self.results]
            values = [[measure.read(name, result) for name in names] for result in trained]
            candidate.values[i] = np.array(values, float).reshape(-1, len(names))
        self.judge()

    def judge(self):
        """Give every candidate its gain and the p-value of its joint test; those far below the best are given up."""
        everyone = [self.stated, *self.candidates]
        logs, p = np.full((2, len(everyone), len(self.cases)), np.nan)
        for i, case in enumerate(self.cases):
            spread = pooled([c.values[i] for c in everyone], FLOOR * case.margins)
            for row, candidate in enumerate(everyone):
                if len(candidate.values[i]):
                    logs[row, i], p[row, i] = likelihood(case, candidate.values[i], *spread)
        started = ~np.isnan(logs[1:]).all(axis=0)
        gains, tried = np.nansum(logs - logs[0], axis=1), ~np.isnan(logs[:, started]).any(axis=1)
        for row, candidate in enumerate(everyone):
            candidate.gain, candidate.tried = gains[row], bool(tried[row])
            candidate.p = fisher(p[row])
            candidate.live &= bool(gains[row] >= gains[tried].max() - HOPELESS or not tried[row])

    def likely(self, i):
        """Return the candidates that are not given up, the likeliest first, then those that case i takes least for."""
        return sorted(
            (c for c in self.candidates if c.live), key=lambda c: (-round(c.gain), flop(c.experiments[i]))
        )

    def finish(self, seeds):
        """Train the candidates, those that stay likely with all seeds, and return the Diagnosis."""
        cases = range(len(self.cases))
        for i in sorted(cases, key=lambda i: flop(self.stated.experiments[i])):
            twice = 2 * flop(self.stated.experiments[i])
            self.train({(c, i): 1 if flop(c.experiments[i]) > twice else 2 for c in self.likely(i)})
        for n in (2, seeds):
            self.train({(c, i): n for i in cases for c in self.likely(i)})
        ranked = sorted(self.candidates, key=lambda c: (c.live, c.gain), reverse=True)
        ...


def pooled(samples, floor):
    """Return the typical variance of each number, (q,), and the correlation of the numbers, (q, q), over candidates.

    samples: arrays (seeds, q), of which those with two seeds or more count; floor (q,): the smallest deviation looked at.
    The typical variance is a geometric mean, in which a candidate with a wild spread counts as one among many.
    """
    samples = [X[np.isfinite(X).all(axis=1)] for X in samples]
    samples = [X for X in samples if len(X) > 1]
    df = np.array([[len(X) - 1] for X in samples])
    variances = np.array([np.maximum(X.var(axis=0, ddof=1), (floor / 10) ** 2) for X in samples])
    logs = np.log(variances) - digamma(df / 2) + np.log(df / 2)
    typical = np.exp(np.average(logs, axis=0, weights=np.tile(1 / polygamma(1, df / 2), len(floor))))
    residuals = [(X - X.mean(axis=0)) / np.sqrt(shrunken(X, typical)) for X in samples]
    scatter = sum(z.T @ z for z in residuals) + PRIOR * np.eye(len(floor))
    deviations = np.sqrt(np.diag(scatter))
    return typical, scatter / np.outer(deviations, deviations)


def shrunken(X, typical):
    """Return the variance of each number of X (seeds, q), shrunken towards the typical one."""
    df = len(X) - 1
    own = ((X - X.mean(axis=0)) ** 2).sum(axis=0)
    return (PRIOR * typical + own) / (PRIOR + df)


def likelihood(case, values, typical, correlation):
    """Return the log likelihood of the reported numbers and the p-value of their joint test, from values (seeds, q)."""
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite):
        return -np.inf, 0.0
    n, q = finite.shape
    deviations = np.sqrt(shrunken(finite, typical) * (1 + 1 / n))
    scale = correlation * np.outer(deviations, deviations)
    scale += np.diag(case.errors**2 / 3 + (FLOOR * case.margins) ** 2)  # the error is uniform within its bounds
    off, df = case.reported - finite.mean(axis=0), PRIOR + n - 1
    p = fdtrc(q, df, off @ np.linalg.solve(scale, off) / q)
    return multivariate_t(shape=scale, df=df).logpdf(off) + np.log(n / len(values)), p
