"""Values to try: grids and draws on a logarithmic scale, the range to look at next, and whole searches of a space.

A space is {name: domain} with the words of Weights & Biases' sweep files: a domain is {"value": v}, {"values": [...]}
or {"distribution": one of DISTRIBUTIONS, "min": low, "max": high}.
"""

from itertools import product
from math import prod

import numpy as np

from lib.choices import check_choice, shown
from workbook.runs.fields import LIMITS

METHODS = ("grid", "random", "narrow", "tpe")
DISTRIBUTIONS = ("uniform", "int_uniform", "log_uniform_values")
MOST = 10_000  # runs of a search


def log_grid(low, high, n):
    """Return n floats from low to high, evenly spaced in the logarithm. Raises ValueError unless 0 < low < high."""
    _check_range(low, high)
    return np.geomspace(low, high, n).tolist()


def log_uniform(low, high, n, rng):
    """Return n floats whose logarithm is uniform between those of low and high; rng: numpy Generator."""
    _check_range(low, high)
    return np.exp(rng.uniform(np.log(low), np.log(high), n)).tolist()


def _check_range(low, high):
    if not 0 < low < high:
        raise ValueError(f"a logarithmic range needs 0 < low < high, got {low} and {high}")


def narrow(values, scores, best=5):
    """Return (min, max) of the ``best`` values with the highest scores: the range of the next round.

    values, scores: sequences of equal length; a score of NaN counts as the worst. Raises ValueError if fewer than two
    of the best values differ.
    """
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:best]
    chosen = np.asarray(values, float)[order]
    if len(set(chosen)) < 2:
        raise ValueError(f"a range needs two different values among the best {best}, got {chosen.tolist()}")
    return float(chosen.min()), float(chosen.max())


def search(method, space, evaluate, *, trials=None, generation=8, seed=0, goal="maximize"):
    """Try parameter sets of a space; ``evaluate(sets) -> scores`` is called once for each generation of them.

    grid: every combination, in order. random: independent draws, all in one generation. narrow: a grid over the one
    log-uniform parameter, then draws from the range of the best so far. tpe: a tree-structured Parzen estimator,
    J. Bergstra et al., NeurIPS 2011, as Optuna has it; within a generation the sets without a score count as bad
    ("constant liar"), which keeps them apart. A score of NaN is the worst. The sets follow from the arguments and the
    scores alone, so a search begun again over stored scores goes on as if it had never stopped. Raises ValueError for
    a method, domain or number that cannot be.
    """
    check_choice("method", method, METHODS)
    for name, domain in space.items():
        _check_domain(name, domain, method)
    if method == "grid" and trials is not None:
        raise ValueError("method grid takes no trials")
    if method != "grid" and (not trials or trials < 1 or generation < 1):
        raise ValueError(f"method {method} needs trials, and a generation of 1 or more")
    fixed = {name: domain["value"] for name, domain in space.items() if "value" in domain}
    free = {name: domain for name, domain in space.items() if "value" not in domain}
    if method == "grid":
        runs = prod(len(domain["values"]) for domain in free.values())
        if runs > MOST:
            raise ValueError(f"parameters: a grid of {runs} runs, allowed: at most {MOST}")
        evaluate([fixed | dict(zip(free, v, strict=True)) for v in product(*(d["values"] for d in free.values()))])
    elif method == "narrow":
        _narrow_down(fixed, free, evaluate, trials, generation, np.random.default_rng(seed), goal)
    else:
        generation = trials if method == "random" else generation
        _ask_and_tell(method, fixed, free, evaluate, trials, generation, seed, goal)


def _check_domain(name, domain, method):
    """Raise ValueError unless the domain is one that a search by this method can have."""
    words = set(domain) if isinstance(domain, dict) else set()
    for word in words:
        check_choice(f"key of {name}", word, ("value", "values", "distribution", "min", "max"))
    if words == {"distribution", "min", "max"} and method != "grid":
        how, low, high = domain["distribution"], domain["min"], domain["max"]
        check_choice(f"distribution of {name}", how, DISTRIBUTIONS)
        kind = int if how == "int_uniform" else float
        numbers = {type(low), type(high)} <= {int, kind}
        if not numbers or not -LIMITS[kind] < low < high < LIMITS[kind] or (how == DISTRIBUTIONS[2] and low <= 0):
            raise ValueError(f"{name}: impossible range for {how}: min {shown(low)}, max {shown(high)}")
    elif words != {"value"} and not (words == {"values"} and isinstance(domain["values"], list) and domain["values"]):
        others = "" if method == "grid" else ", or distribution, min and max"
        raise ValueError(f"{name} needs value, or a list of values{others}")


def _narrow_down(fixed, free, evaluate, trials, generation, rng, goal):
    """Try a grid over the one free parameter, then draws from the range of the best values so far."""
    if [domain.get("distribution") for domain in free.values()] != ["log_uniform_values"]:
        raise ValueError("method narrow needs one parameter with log_uniform_values, and value for all others")
    ((name, domain),) = free.items()
    sign = 1 if goal == "maximize" else -1
    values, scores, new = [], [], log_grid(domain["min"], domain["max"], min(generation, trials))
    while new:
        values += new
        scores += [sign * score for score in evaluate([fixed | {name: value} for value in new])]
        n = min(generation, trials - len(values))
        new = log_uniform(*narrow(values, scores), n, rng) if n else []


def _ask_and_tell(method, fixed, free, evaluate, trials, generation, seed, goal):
    """Let Optuna propose."""
    import optuna  # here, because only these searches need it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers = optuna.samplers
    sampler = samplers.RandomSampler(seed) if method == "random" else samplers.TPESampler(seed=seed, constant_liar=True)
    study = optuna.create_study(direction=goal, sampler=sampler)
    while len(study.trials) < trials:
        asked = [study.ask() for _ in range(min(generation, trials - len(study.trials)))]
        sets = [fixed | {name: _suggest(trial, name, free[name]) for name in free} for trial in asked]
        for trial, score in zip(asked, evaluate(sets), strict=True):
            if np.isfinite(score):
                study.tell(trial, score)
            else:  # a failed trial would be forgotten; a pruned one without a value counts as the worst
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)


def _suggest(trial, name, domain):
    if "values" in domain:  # by their number, because Optuna knows no lists
        return domain["values"][trial.suggest_categorical(name, range(len(domain["values"])))]
    if domain["distribution"] == "int_uniform":
        return trial.suggest_int(name, domain["min"], domain["max"])
    return trial.suggest_float(name, domain["min"], domain["max"], log=domain["distribution"] == "log_uniform_values")
