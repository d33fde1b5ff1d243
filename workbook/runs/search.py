"""Values to try: grids and draws on a logarithmic scale, the range to look at next, and whole searches of a space.

A space is {name: domain} with the words of Weights & Biases' sweep files: a domain is {"value": v}, {"values": [...]}
or {"distribution": one of DISTRIBUTIONS, "min": low, "max": high}.
"""

from itertools import product

import numpy as np

from lib.choices import check_choice

METHODS = ("grid", "random", "narrow", "tpe")
DISTRIBUTIONS = ("uniform", "int_uniform", "log_uniform_values")


def log_grid(low, high, n):
    """Return n floats from low to high, evenly spaced in the logarithm. Raises ValueError unless 0 < low < high."""
    _check(low, high)
    return [float(value) for value in np.geomspace(low, high, n)]


def log_uniform(low, high, n, rng):
    """Return n floats whose logarithm is uniform between those of low and high; rng: numpy Generator."""
    _check(low, high)
    return [float(value) for value in np.exp(rng.uniform(np.log(low), np.log(high), n))]


def narrow(values, scores, best=5):
    """Return (min, max) of the ``best`` values with the highest scores: the range of the next round.

    values, scores: sequences of equal length. A score that is not a number counts as the worst.
    Raises ValueError if fewer than two of the best values differ.
    """
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:best]
    chosen = np.asarray(values, float)[order]
    if len(set(chosen)) < 2:
        raise ValueError(f"a range needs two different values among the best {best}, got {chosen.tolist()}")
    return float(chosen.min()), float(chosen.max())


def _check(low, high):
    if not 0 < low < high:
        raise ValueError(f"a logarithmic range needs 0 < low < high, got {low} and {high}")


def search(method, space, evaluate, *, trials=None, generation=8, seed=0, goal="maximize"):
    """Try parameter sets of a space; ``evaluate(sets) -> scores`` is called once for each generation of them.

    grid: every combination, in order. random: independent draws, all in one generation. narrow: a grid over the one
    log-uniform parameter, then draws from the range of the best so far. tpe: a tree-structured Parzen estimator,
    J. Bergstra et al., NeurIPS 2011, as Optuna has it; within a generation the sets without a score count as bad
    ("constant liar"), which keeps them apart. A score that is not a number is the worst. The sets follow from
    arguments and scores alone, so a search begun again over stored scores goes on as if it had never stopped.
    Raises ValueError for a method, domain or number that cannot be.
    """
    check_choice("method", method, METHODS)
    for name, domain in space.items():
        _check_domain(name, domain, method)
    if (trials is not None) if method == "grid" else min(trials or 0, generation) < 1:
        raise ValueError(
            f"method {method} {'takes no trials' if trials else 'needs trials, and a generation of 1 or more'}"
        )
    fixed = {name: domain["value"] for name, domain in space.items() if "value" in domain}
    free = {name: domain for name, domain in space.items() if "value" not in domain}
    if method == "grid":
        evaluate([fixed | dict(zip(free, v, strict=True)) for v in product(*(d["values"] for d in free.values()))])
    elif method == "narrow":
        _narrowing(fixed, free, evaluate, trials, generation, np.random.default_rng(seed), goal)
    else:
        _ask_and_tell(method, fixed, free, evaluate, trials, generation, seed, goal)


def _check_domain(name, domain, method):
    forms = [{"value"}, {"values"}, {"distribution", "min", "max"}][: 2 if method == "grid" else 3]
    words = list(domain) if isinstance(domain, dict) else []
    for word in words:
        check_choice(f"key of {name}", word, ("value", "values", "distribution", "min", "max"))
    if set(words) not in forms or not isinstance(domain.get("values", [1]), list) or not domain.get("values", [1]):
        raise ValueError(
            f"{name} needs value, or a list of values{', or distribution, min and max' * (len(forms) > 2)}"
        )
    if "distribution" in words:
        check_choice(f"distribution of {name}", how := domain["distribution"], DISTRIBUTIONS)
        low, high, log = domain["min"], domain["max"], how == "log_uniform_values"
        if not {type(low), type(high)} <= {int, float} or not low < high or (log and low <= 0):
            raise ValueError(f"{name}: impossible range for {how}: min {low!r}, max {high!r}")


def _narrowing(fixed, free, evaluate, trials, generation, rng, goal):
    if [domain.get("distribution") for domain in free.values()] != ["log_uniform_values"]:
        raise ValueError("method narrow needs one parameter with log_uniform_values, and value for all others")
    ((name, domain),) = free.items()
    sign, values, scores = 1 if goal == "maximize" else -1, [], []
    while size := min(generation, trials - len(values)):
        low, high = narrow(values, scores) if values else (domain["min"], domain["max"])
        values += log_uniform(low, high, size, rng) if values else log_grid(low, high, size)
        scores += [sign * score for score in evaluate([fixed | {name: value} for value in values[-size:]])]


def _ask_and_tell(method, fixed, free, evaluate, trials, generation, seed, goal):
    """Let Optuna propose, "random" or "tpe"."""
    import optuna  # here, because only these searches need it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers = optuna.samplers
    sampler = samplers.RandomSampler(seed) if method == "random" else samplers.TPESampler(seed=seed, constant_liar=True)
    study = optuna.create_study(direction=goal, sampler=sampler)
    while size := min(trials if method == "random" else generation, trials - len(study.trials)):
        asked = {
            t: fixed | {name: _suggest(t, name, free[name]) for name in free}
            for t in (study.ask() for _ in range(size))
        }
        for trial, score in zip(asked, evaluate(list(asked.values())), strict=True):
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
