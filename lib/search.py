"""Values to try: grids and draws on a logarithmic scale, the range to look at next, and whole searches of a space.

A space is {name: domain} with the words of Weights & Biases' sweep files: a domain is {"value": v}, {"values": [...]}
or {"distribution": one of DISTRIBUTIONS, "min": low, "max": high}.
"""

from itertools import product

import numpy as np

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

    grid: every combination, in order. random: ``trials`` independent draws; more trials begin with the same draws.
    narrow: see ``narrowing``; tpe: see ``tpe``; both propose ``generation`` sets at a time, knowing the scores of all
    before, and take not-a-number for the worst. The sets depend on the arguments and the scores alone, so a search
    that starts again over stored scores goes on as if it had never stopped.
    """
    rng = np.random.default_rng(seed)
    if method == "grid":
        lists = (domain.get("values", [domain.get("value")]) for domain in space.values())
        evaluate([dict(zip(space, values, strict=True)) for values in product(*lists)])
    elif method == "random":
        evaluate([{name: draw(domain, rng) for name, domain in space.items()} for _ in range(trials)])
    elif method == "narrow":
        sign = 1 if goal == "maximize" else -1
        narrowing(space, lambda sets: [sign * score for score in evaluate(sets)], trials, generation, rng)
    else:
        tpe(space, evaluate, trials, generation, seed, goal)


def draw(domain, rng):
    """Return one value of a domain."""
    if "value" in domain:
        return domain["value"]
    if "values" in domain:
        return domain["values"][rng.integers(len(domain["values"]))]
    low, high = domain["min"], domain["max"]
    if domain["distribution"] == "log_uniform_values":
        return log_uniform(low, high, 1, rng)[0]
    return (
        int(rng.integers(low, high, endpoint=True))
        if domain["distribution"] == "int_uniform"
        else float(rng.uniform(low, high))
    )


def narrowing(space, evaluate, trials, generation, rng):
    """Search one log-uniform parameter: a grid first, then draws from the range of the best so far, round by round."""
    name = next(name for name, domain in space.items() if "distribution" in domain)
    fixed = {other: domain["value"] for other, domain in space.items() if other != name}
    values, scores = [], []
    while size := min(generation, trials - len(values)):
        if values:
            values += log_uniform(*narrow(values, scores), size, rng)
        else:
            values = log_grid(space[name]["min"], space[name]["max"], size)
        scores += evaluate([fixed | {name: value} for value in values[-size:]])


def tpe(space, evaluate, trials, generation, seed, goal):
    """Search with a tree-structured Parzen estimator, J. Bergstra et al., NeurIPS 2011, as Optuna has it.

    The sets of a generation are proposed one after the other, those without a score counting as bad ("constant liar"),
    so that they keep apart.
    """
    import optuna  # here, because only this search needs it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=goal, sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True))
    domains = {name: _optuna(domain) for name, domain in space.items() if "value" not in domain}
    fixed = {name: domain["value"] for name, domain in space.items() if "value" in domain}
    while size := min(generation, trials - len(study.trials)):
        asked = [study.ask(domains) for _ in range(size)]
        drawn = [{n: space[n]["values"][v] if "values" in space[n] else v for n, v in t.params.items()} for t in asked]
        for trial, score in zip(asked, evaluate([fixed | each for each in drawn]), strict=True):
            if np.isfinite(score):
                study.tell(trial, score)
            else:  # a failed trial would be forgotten, a pruned one counts as the worst
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)


def _optuna(domain):
    """A domain in Optuna's words; values by their number, because Optuna knows no lists."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if "values" in domain:
        return CategoricalDistribution(range(len(domain["values"])))
    low, high = domain["min"], domain["max"]
    if domain["distribution"] == "int_uniform":
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=domain["distribution"] == "log_uniform_values")
