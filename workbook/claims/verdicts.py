r"""The rule by which a reported number, or a reported effect, is judged. Pure statistics on NumPy arrays.

**Numbers.** A report trained once, so its number $r$ is *one draw* from a distribution that our $n$ repeats
$x_1,\dots,x_n$ sample. Three lengths decide, all in the number's own unit:

- the *margin* $d$, the difference that would matter: 1 point for accuracies and gains, 0.03 nats for losses and costs,
  450 updates (an epoch) for the time of an event, one power of ten for gradient errors and sums (values below
  $10^{-12}$ are rounding and count as $10^{-12}$);
- the *reading error* $e$, how far the number may be from what the report meant: half a unit of its last printed digit,
  or how finely a plot can be read. No comparison is finer than the reading, so the margin is $D = \max(d, 2e)$;
- the *half-width* $h = t\,s\,\sqrt{1 + 1/n} + e$ of the interval in which one more draw falls with 95 % probability,
  from the mean $m$ and the standard deviation $s$ of the repeats, with $t$ the 97.5 % quantile of Student's t for $n-1$
  degrees of freedom. The reading error is a bound, not a standard deviation, and is therefore added.

The number *agrees* if $|r - m| \le D$ and $h \le D$: it lies inside the margin, and the spread is small enough to have
said otherwise. It *differs* if $|r - m| > D$ and $|r - m| > h$. Otherwise we *cannot tell*. Spread therefore leads to
"cannot tell", never to agreement. A right number is said to differ in at most 5 % of cases, and one that is wrong by
$2D$ is said to agree in at most 2.5 %. One repeat alone has no spread and decides nothing.

**Missing values.** A run that diverges, or in which an event never happens ("the update at which the loss leaves
2.30"), has no value. A report that prints a value saw a run that has one, so it is compared with those of our runs that
have one, provided that most of them do; how many do is always said. If none of at least ten does, the number differs (a
right report would meet that in less than 4 % of cases). Otherwise we cannot tell.

**Repeats.** Every experiment is run with five seeds, the same five for all variants. Five more, up to fifteen, are
added where no verdict is possible yet and fifteen values with the same spread would make the interval as narrow as the
margin. How far the reported number is from the mean plays no part in that, so adding seeds cannot steer a verdict.
Experiments of more than 1.5 TFLOP a seed, the long searches, stay at five.

**Explained.** A number that differs from the experiment as stated is *explained* if it agrees with the experiment as
coded, and if, at equal seeds, going from stated to coded moves the mean towards the report significantly (95 %). A
value that the coded variant took from the report explains nothing.

**Settings.** Inputs and counts, such as a number of layers, are checked for equality and not counted with the results.
The winning $\lambda$ or $\eta$ of a search is judged by what it achieves: how far the score at the reported value falls
short of our best trial's, compared with 0 by the rule above, with the margin of an accuracy. (The best of many trials
is best partly by luck, which makes this comparison strict.)

**Systematic offsets.** Numbers of one kind that all err to one side are tested together. Their mean difference, in
margins, is again one draw: it is compared with the spread of the same mean over our seeds, so that numbers which move
together count once. The offset is flagged if it is significant at 5 % after Holm's correction over all such groups.

**Effects.** A claim about an effect is a set of allowed values for the mean difference at equal seeds: above 0
("better"), within the margin of the claimed size and above 0 ("better by 1.13"), within the margin of 0 ("equal"). It
is *supported* if the 95 % confidence interval of the mean lies inside the set (for equality: two one-sided tests),
*refuted* if it lies outside, *open* otherwise. The margin is that of the quantity, or twice the reading errors of both
numbers where that is more. The p-values of all effects of a document are corrected by Holm's method.
"""

import numpy as np
from scipy.special import stdtr, stdtrit

FEWEST, STEP, MOST = 5, 5, 15  # repeats: at first, added at a time, at most
NEVER = 10  # repeats without any value after which a reported value differs
ROUNDING = 1e-12  # smaller gradient errors and sums are rounding
VERDICTS = ("agrees", "explained", "cannot tell", "differs")


def summary(values):
    """Return how many of values (..., n) are finite, their mean and standard deviation, infinite for fewer than two."""
    values = np.asarray(values, dtype=float)
    finite = np.isfinite(values)
    n = finite.sum(axis=-1)
    mean = np.where(finite, values, 0).sum(axis=-1) / np.maximum(n, 1)
    squares = np.where(finite, values - mean[..., None], 0) ** 2
    return n, mean, np.where(n > 1, np.sqrt(squares.sum(axis=-1) / np.maximum(n - 1, 1)), np.inf)


def half_width(n, sd, error=0.0):
    """Return the half-width of the 95 % prediction interval of one more draw, read with a given error."""
    return stdtrit(np.maximum(n - 1, 1), 0.975) * sd * np.sqrt(1 + 1 / np.maximum(n, 1)) + error


def verdict(reported, error, margin, values):
    """Return "agrees", "differs" or "cannot tell" for one number and one variant; vectorised over leading axes.

    reported, error (half-width), margin and values (..., n), one a seed, NaN where there is none: all in one unit.
    """
    n, mean, sd = summary(values)
    total, margin, half = np.shape(values)[-1], np.maximum(margin, 2 * np.asarray(error)), half_width(n, sd, error)
    off, most = np.abs(reported - mean), 2 * n > total
    differs = (most & (off > np.maximum(margin, half))) | ((n == 0) & (total >= NEVER))
    agrees = most & (off <= margin) & (half <= margin)
    return np.select([differs, agrees], ["differs", "agrees"], "cannot tell")[()]


def enough(reported, error, margin, values):
    """Return whether no more repeats are needed: a verdict stands, or fifteen repeats would hardly bring one."""
    n, _, sd = summary(values)
    total = np.shape(values)[-1]
    hopeless = (n > 0) & (half_width(MOST, sd, error) > np.maximum(margin, 2 * np.asarray(error)))
    decided = verdict(reported, error, margin, values) != "cannot tell"
    return (total >= FEWEST) & (decided | hopeless | (total >= MOST))


def explained(reported, error, margin, stated, coded):
    """Return whether the coded values explain a number that differs from the stated ones (paired by position)."""
    n = min(np.shape(stated)[-1], np.shape(coded)[-1])
    change, half = paired(np.asarray(coded)[..., :n], np.asarray(stated)[..., :n])
    had, mean, _ = summary(stated)
    towards = (np.sign(reported - mean) * change > half) | (had == 0)  # any value is nearer than none
    differs = verdict(reported, error, margin, stated) == "differs"
    return differs & towards & (verdict(reported, error, margin, coded) == "agrees")


def overall(reported, error, margin, stated, coded=None):
    """Return the one verdict of VERDICTS on a number, from its values as stated and, where they differ, as coded."""
    if coded is not None and explained(reported, error, margin, stated, coded):
        return "explained"
    return str(verdict(reported, error, margin, stated))


def setting(reported, error, value):
    """Return "setting" if an input or a count is the reported one up to its printed digits, else "setting differs"."""
    return "setting" if abs(reported - value) <= error + 1e-9 * abs(reported) else "setting differs"


def magnitude(values):
    """Return the power of ten of gradient errors or sums, those of rounding counted as 1e-12."""
    return np.log10(np.maximum(np.abs(values), ROUNDING))


def paired(a, b):
    """Return the mean of a - b (..., n), paired by position, and the half-width of its 95 % confidence interval."""
    n, mean, sd = summary(np.asarray(a, dtype=float) - np.asarray(b, dtype=float))
    return mean, stdtrit(np.maximum(n - 1, 1), 0.975) * sd / np.sqrt(np.maximum(n, 1))


def effect(differences, margin, by=None, equal=False):
    """Return the two-sided p-values with which a claim is supported and refuted, before any correction.

    differences (..., n): the better one minus the other, at equal seeds, positive where the claim says so. by: the
    claimed size, None for a claim of the sign alone. equal: the claim is that the two are equal.
    """
    n, mean, sd = summary(differences)
    low, high = (0.0, np.inf) if by is None else (max(0.0, by - margin), by + margin)
    if equal:
        low, high = -margin, margin
    with np.errstate(divide="ignore", invalid="ignore"):  # all differences equal: certain, or 0/0 on the border
        above, below = (np.nan_to_num(x * np.sqrt(n) / sd) for x in (mean - low, high - mean))
    df, usable = np.maximum(n - 1, 1), (n > 1) & (2 * n > np.shape(differences)[-1])
    supported = 2 * np.maximum(stdtr(df, -above), stdtr(df, -below))
    refuted = 2 * np.minimum(stdtr(df, above), stdtr(df, below))
    return np.where(usable, np.minimum(supported, 1), 1.0), np.where(usable, np.minimum(refuted, 1), 1.0)


def effects(supported, refuted):
    """Return "supported", "refuted" or "open" for all effects of a document, from their p-values by ``effect``."""
    supported, refuted = np.asarray(supported), np.asarray(refuted)
    significant = holm(np.minimum(supported, refuted)) <= 0.05
    return np.select([significant & (supported < refuted), significant], ["supported", "refuted"], "open")


def holm(pvalues):
    """Return p-values corrected for their number, along the last axis. Source: Holm, Scand. J. Statist. 6 (1979) 65."""
    p = np.asarray(pvalues, dtype=float)
    order = np.argsort(p, axis=-1)
    steps = np.take_along_axis(p, order, -1) * np.arange(p.shape[-1], 0, -1)
    corrected = np.empty_like(p)
    np.put_along_axis(corrected, order, np.minimum(np.maximum.accumulate(steps, axis=-1), 1), -1)
    return corrected


def one_sided(differences, errors=0.0):
    """Return the mean offset, in margins, of numbers that all err to one side, and its p-value; else 0 and 1.

    differences (rows, n): ours minus the reported number over the number's margin, at equal seeds. errors: reading
    errors over the margin, a number or one a row; readings may all err alike, so their mean is taken off the offset.
    """
    _, rows, _ = summary(differences)
    if len(rows) < 2 or not (np.all(rows > 0) or np.all(rows < 0)):
        return 0.0, 1.0
    columns = summary(np.asarray(differences, dtype=float).T)[1]
    n, mean, sd = summary(columns)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num(max(abs(mean) - np.mean(errors), 0) / (sd * np.sqrt(1 + 1 / n)))
    return float(mean), float(2 * stdtr(max(n - 1, 1), -t))
