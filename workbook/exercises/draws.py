"""Exercises with chance: dropout, initial weights, draws of lambda. No two right answers are equal.

So what is compared is what all right answers have in common, and draws are so many that chance hardly shows.
"""

import numpy as np

from lib.nn import layers
from lib.nn.network import INITIALISERS, create
from workbook.runs.search import log_uniform

from .exercise import Exercise, Mistake, Unfit, array
from .layers import normal

SEED_IGNORED = "Two calls with generators of the same seed give different results: take all draws from rng."
SEED_FIXED = (
    "Two calls with generators of different seeds give the same: take all draws from rng, not from one of yours."
)


# Dropout


def _dropout_reference(X, grad_out, drop_rate, rng):
    out, mask = layers.dropout_forward(X, drop_rate, rng)
    return out, layers.dropout_backward(grad_out, mask)


def _dropout(forward=None, backward=None):
    """Return dropout with wrong masks, functions of (kept, drop_rate, rng); kept is 1 or 0 for each unit."""

    def both(X, grad_out, drop_rate, rng):
        kept = (rng.random(X.shape) >= drop_rate) * 1.0
        mask = kept / (1 - drop_rate)
        out = X * (forward(kept, drop_rate, rng) if forward else mask)
        return out, grad_out * (backward(kept, drop_rate, rng) if backward else mask)

    return both


def _dropout_observed(function, X, grad_out, drop_rate, rng):
    answer = function(X, grad_out, drop_rate, rng)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise Unfit("It should return two arrays: out, grad_X.")
    out, grad_X = (array(each, name) for each, name in zip(answer, ("out", "grad_X"), strict=True))
    if {out.shape, grad_X.shape} != {X.shape}:
        raise Unfit(f"X has shape {X.shape}, out {out.shape} and grad_X {grad_X.shape}. All should be the same.")
    dropped, passed = out == 0, grad_X != 0
    return {
        "share of units set to 0": dropped.mean(),
        "out / X of the units kept": np.median((out / X)[~dropped]) if not dropped.all() else 0.0,
        "share of zeros in grad_X": 1 - passed.mean(),
        "share of the dropped units with a gradient": passed[dropped].mean() if dropped.any() else 0.0,
        "grad_X / grad_out where it passes": np.median((grad_X / grad_out)[passed]) if passed.any() else 0.0,
    }


def _dropout_cases():
    def case(rate):
        X, grad_out = (np.where(np.abs(each) < 0.01, 1.0, each) for each in normal((200, 100), (200, 100)))
        return X, grad_out, rate, np.random.default_rng(0)

    return {"drop rate 0.2": case(0.2), "drop rate 0.7": case(0.7)}


DROPOUT = Exercise(
    "dropout",
    ("X", "grad_out", "drop_rate", "rng"),
    ("out", "grad_X"),
    _dropout_reference,
    _dropout_cases,
    "rng.random(X.shape) draws numbers between 0 and 1; a unit is kept where its number is at least drop_rate. The "
    "mask holds 0 for a dropped unit and 1 / (1 - drop_rate) for a kept one. out is X times the mask, and the "
    "derivative of a product with a constant is that constant.",
    (layers.dropout_forward, layers.dropout_backward),
    (
        Mistake("mask drawn anew in backward", "The gradient must pass exactly the units that were kept on the way "
                "forward. Draw one mask and use it twice.",
                _dropout(backward=lambda kept, q, rng: (rng.random(kept.shape) >= q) / (1 - q))),
        Mistake("no mask in backward", "Units that were dropped had no part in the cost, so no gradient reaches them.",
                _dropout(backward=lambda kept, q, rng: 1.0)),
        Mistake("not scaled in backward", "The mask of the way back lacks its factor 1 / (1 - drop_rate).",
                _dropout(backward=lambda kept, q, rng: kept)),
        Mistake("scaled twice in backward", "The gradient is multiplied by 1 / (1 - drop_rate) twice.",
                _dropout(backward=lambda kept, q, rng: kept / (1 - q) ** 2)),
        Mistake("not scaled", "The units that are kept are to be divided by 1 - drop_rate, so that the mean stays.",
                _dropout(lambda kept, q, rng: kept, lambda kept, q, rng: kept)),
        Mistake("divided by drop_rate", "The units that are kept are divided by drop_rate. Divide by 1 - drop_rate, "
                "the share that is kept.", _dropout(lambda kept, q, rng: kept / q, lambda kept, q, rng: kept / q)),
        Mistake("drop and keep exchanged", "A share of drop_rate is kept. It should be set to 0.",
                lambda X, g, q, rng: _dropout_reference(X, g, 1 - q, rng)),
        Mistake("drop and keep exchanged", "A share of drop_rate is kept. It should be set to 0.",
                lambda X, g, q, rng: tuple(each * q / (1 - q) for each in _dropout_reference(X, g, 1 - q, rng))),
        Mistake("nothing dropped", "No unit is set to 0.", lambda X, g, q, rng: (X, g)),
    ),
    "The cache of lib's forward is the mask. It is drawn in float32, which is faster, and shared by all networks.",
    observe=_dropout_observed,
    tolerance=0.02,
)  # fmt: skip


# Initial weights


def _he_reference(d_in, d_out, rng):
    return create((d_in, d_out), "he", rng, dtype=np.float64).layers[0]["W"]


def _drawn(std, draw=lambda rng, shape: rng.standard_normal(shape)):
    """Return weights; std: of (d_in, d_out); draw: of (rng, shape)."""
    return lambda d_in, d_out, rng: std(d_in, d_out) * draw(rng, (d_in, d_out))


def _he(d_in, d_out):
    return np.sqrt(2 / d_in)


def _uniform(rng, shape):
    return rng.uniform(-1, 1, shape)


def _he_observed(function, d_in, d_out, rng):
    W = array(function(d_in, d_out, rng), "W")
    if W.shape != (d_in, d_out):
        turned = " It is transposed: rows are inputs." if W.shape == (d_out, d_in) else ""
        raise Unfit(f"W has shape {W.shape}, and should have (d_in, d_out) = {(d_in, d_out)}.{turned}")
    again = [np.asarray(function(d_in, d_out, np.random.default_rng(seed))) for seed in (1, 1, 2)]
    std = W.std() or 1.0
    return {
        "standard deviation, as a multiple of the right one": W.std() / _he(d_in, d_out),
        "mean, as a multiple of the right standard deviation": W.mean() / _he(d_in, d_out),
        "share within one standard deviation of the mean": np.mean(np.abs(W - W.mean()) < std),
        "the same weights from the same seed": np.array_equal(again[0], again[1]),
        "the same weights from another seed": np.array_equal(again[0], again[2]),
    }


HE = Exercise(
    "he_weights",
    ("d_in", "d_out", "rng"),
    ("W",),
    _he_reference,
    lambda: {"400 inputs, 100 outputs": (400, 100, np.random.default_rng(0)),
             "150 inputs, 300 outputs": (150, 300, np.random.default_rng(0))},
    "rng.standard_normal((d_in, d_out)) has standard deviation 1. Multiplied by sigma it has standard deviation sigma. "
    "What counts is how many numbers are added up in each s: the number of inputs.",
    (INITIALISERS["he"], create),
    (
        Mistake("variance for standard deviation", "You scale by 2 / d_in. That is the variance; the standard "
                "deviation is its root.", _drawn(lambda d_in, d_out: 2 / d_in)),
        Mistake("outputs for inputs", "sigma depends on d_in, the number of terms in each sum, not on d_out.",
                _drawn(lambda d_in, d_out: np.sqrt(2 / d_out))),
        Mistake("Xavier's weights", "This is the root of 1 / d_in. The ReLU takes half of the square, hence the 2.",
                _drawn(lambda d_in, d_out: np.sqrt(1 / d_in))),
        Mistake("Xavier's weights", "This is Glorot's root of 2 / (d_in + d_out). He's is the root of 2 / d_in.",
                _drawn(lambda d_in, d_out: np.sqrt(2 / (d_in + d_out)))),
        Mistake("not scaled", "The standard deviation is 1.", _drawn(lambda d_in, d_out: 1.0)),
        Mistake("divided by the root", "You divide where you should multiply, or the fraction is turned round.",
                _drawn(lambda d_in, d_out: np.sqrt(d_in / 2))),
        Mistake("uniform draws", "The weights are uniform, and between -sigma and sigma; draw normal ones.",
                _drawn(_he, _uniform)),
        Mistake("uniform draws", "The width is right, but the weights are uniform; draw normal ones.",
                _drawn(lambda d_in, d_out: np.sqrt(6 / d_in), _uniform)),
        Mistake("positive weights", "All weights are positive: rng.random draws between 0 and 1. Draw normal ones.",
                _drawn(_he, lambda rng, shape: rng.random(shape))),
        Mistake("seed fixed", SEED_FIXED,
                _drawn(_he, lambda _, shape: np.random.default_rng(0).standard_normal(shape))),
        Mistake("rng not used", SEED_IGNORED,
                _drawn(_he, lambda _, shape: np.random.default_rng().standard_normal(shape))),
    ),
    "lib draws all layers of a network, and makes them float32 in the end.",
    observe=_he_observed,
    tolerance=0.03,
)  # fmt: skip


# Draws of lambda


def _lambdas_observed(function, low, high, n, rng):
    def draw(rng):
        answer = function(low, high, n, rng)
        values = np.asarray(answer if answer is None else list(answer) if np.iterable(answer) else answer)
        if values.shape != (n,) or values.dtype.kind not in "iuf":
            raise Unfit(f"It should return n = {n} numbers, not {type(answer).__name__} of shape {values.shape}.")
        return values

    values, again = draw(rng), [draw(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    place = (np.log(values) - np.log(low)) / (np.log(high) - np.log(low))  # 0 at low, 1 at high
    return {
        "share of negative values": np.mean(values < 0),
        "share of values outside of the range": np.mean((values < low * 0.999) | (values > high * 1.001)),
        "share below the geometric mean of low and high": np.mean(place < 0.5),
        "share in the lowest tenth of the logarithmic range": np.mean(place < 0.1),
        "share of values above the one before": np.mean(np.diff(values) > 0),
        "share of different values": len(np.unique(values)) / n,
        "the same values from the same seed": np.array_equal(again[0], again[1]),
        "the same values from another seed": np.array_equal(again[0], again[2]),
    }


def _in_log(transform, logarithm=np.log, draw=lambda rng, low, high, n: rng.uniform(low, high, n)):
    """Return draws that are uniform in a logarithm and transformed back."""
    return lambda low, high, n, rng: transform(draw(rng, logarithm(low), logarithm(high), n))


LAMBDAS = Exercise(
    "draw_lambdas",
    ("low", "high", "n", "rng"),
    ("lambdas",),
    log_uniform,
    lambda: {"from 1e-5 to 1e-1": (1e-5, 1e-1, 8000, np.random.default_rng(0)),
             "from 0.002 to 0.3": (0.002, 0.3, 8000, np.random.default_rng(0))},
    "Draw the *exponent* uniformly, between the logarithms of low and high, and then undo the logarithm. np.log goes "
    "with np.exp, and np.log10 with 10 ** x.",
    (log_uniform,),
    (
        Mistake("uniform in lambda itself", "Most of your values lie in the highest decade. Each decade should "
                "get the same share.", lambda low, high, n, rng: rng.uniform(low, high, n)),
        Mistake("logarithm returned", "These are the logarithms. Undo them: np.exp for np.log, 10 ** x for np.log10.",
                _in_log(lambda x: x)),
        Mistake("two different logarithms", "You take np.log and undo it as if it were np.log10.",
                _in_log(lambda x: 10**x)),
        Mistake("two different logarithms", "You take np.log10 and undo it as if it were np.log.",
                _in_log(np.exp, np.log10)),
        Mistake("whole exponents only", "All values are powers of ten. Draw the exponent with rng.uniform.",
                _in_log(lambda x: 10.0**x, np.log10, lambda rng, a, b, n: rng.integers(round(a), round(b) + 1, n))),
        Mistake("whole exponents only", "All values are powers of ten, and the highest never comes.",
                _in_log(lambda x: 10.0**x, np.log10, lambda rng, a, b, n: rng.integers(round(a), round(b), n))),
        Mistake("a grid, not draws", "The values are evenly spaced in the logarithm: a grid. Draw them.",
                lambda low, high, n, rng: np.geomspace(low, high, n)),
        Mistake("one value", "All n values are the same: draw n of them.",
                lambda low, high, n, rng: np.full(n, low * (high / low) ** rng.random())),
        Mistake("seed fixed", SEED_FIXED,
                lambda low, high, n, _: log_uniform(low, high, n, np.random.default_rng(0))),
        Mistake("rng not used", SEED_IGNORED,
                lambda low, high, n, _: log_uniform(low, high, n, np.random.default_rng())),
    ),
    observe=_lambdas_observed,
    tolerance=0.03,
)  # fmt: skip
