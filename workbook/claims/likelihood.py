"""How likely are the numbers of a report if its program was a candidate of which a few seeds have been trained?

What a report prints is one more draw from the right candidate's numbers: its likelihood is the density of a
multivariate Student's t around the mean of the seeds. Few seeds say little about spread, so each variance is an
average of the candidate's own, which has n - 1 degrees of freedom, and of the typical variance over all candidates,
which counts as PRIOR degrees (Smyth, Stat. Appl. Genet. Mol. Biol. 3 (2004) 3). Loss and accuracy move together; their
correlation is pooled over all candidates. The reading error and FLOOR of the margin are added to the spread.
"""

import numpy as np
from scipy.special import digamma, fdtrc, polygamma
from scipy.stats import multivariate_t

PRIOR = 4  # degrees of freedom, as many as five seeds have
FLOOR = 0.2  # standard deviation in margins: our seeds share one order of the minibatches, a report has another one


def pooled(samples, floor):
    """Return the typical variance of each number, (q,), and the correlation of the numbers, (q, q), over candidates.

    samples: arrays (seeds, q), of which those with two seeds or more count. floor (q,): a tenth of it is the smallest
    deviation. The typical variance is a geometric mean, so one candidate with a wild spread hardly changes it.
    """
    samples = [X[np.isfinite(X).all(axis=1)] for X in samples]
    samples = [X for X in samples if len(X) > 1]
    if not samples:
        return floor**2, np.eye(len(floor))
    df = np.array([[len(X) - 1] for X in samples])
    variances = np.array([np.maximum(X.var(axis=0, ddof=1), (floor / 10) ** 2) for X in samples])
    logs = np.log(variances) - digamma(df / 2) + np.log(df / 2)  # the expectation of the logarithm of chi squared
    typical = np.exp(np.average(logs, axis=0, weights=np.repeat(1 / polygamma(1, df / 2), len(floor), axis=1)))
    residuals = [(X - X.mean(axis=0)) / np.sqrt(shrunken(X, typical)) for X in samples]
    scatter = sum(z.T @ z for z in residuals) + PRIOR * np.eye(len(floor))
    deviations = np.sqrt(np.diag(scatter))
    return typical, scatter / np.outer(deviations, deviations)


def shrunken(X, typical):
    """Return the variance of each number of X (seeds, q), shrunken towards the typical one."""
    squares = ((X - X.mean(axis=0)) ** 2).sum(axis=0)
    return (PRIOR * typical + squares) / (PRIOR + len(X) - 1)


def likelihood(case, values, typical, correlation):
    """Return how well values (seeds, q) of a candidate suit the reported numbers, one more draw.

    That is the log likelihood, with the same degrees of freedom for all candidates, as else those with the fewest seeds
    and so the widest tails would win where all are far off; the p-value of the joint test; the squared distance in
    typical spreads; and how far each number is off, in standard deviations of one more draw.
    """
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite):  # it always diverges, the report's network did not
        return -1e6, 0.0, 1e6, np.full(values.shape[1], np.inf)
    n, q = finite.shape
    off, blur = case.reported - finite.mean(axis=0), np.diag(case.errors**2 / 3 + (FLOOR * case.margins) ** 2)
    typical_scale = correlation * np.sqrt(np.outer(typical, typical)) + blur  # reading errors are uniform: / 3
    variances = shrunken(finite, typical) * (1 + 1 / n)
    scale = correlation * np.sqrt(np.outer(variances, variances)) + blur
    log = multivariate_t(shape=scale, df=2 * PRIOR).logpdf(off) + np.log(n / len(values))
    p = fdtrc(q, PRIOR + n - 1, off @ np.linalg.solve(scale, off) / q)
    return log, p, off @ np.linalg.solve(typical_scale, off), off / np.sqrt(np.diag(scale))
