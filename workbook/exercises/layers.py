"""Exercises with layers: ReLU, affine, batch normalisation. Rows are images."""

import numpy as np

from lib.nn import layers

from .exercise import Exercise, Mistake

AXIS = "A sum or a mean runs along the rows, over the d numbers of one image. It should run down the columns, over the "
AXIS += "n images: axis=0."


def normal(*shapes, dtype=np.float64, seed=0):
    """Return standard normal arrays, one for each shape."""
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)


# ReLU


def _relu_cases():
    touching = normal((6, 4), (6, 4), seed=1)[1].round()  # many exact zeros, of both signs
    return {
        "7 images, 5 units": normal((7, 5), (7, 5)),
        "some s are exactly 0": (normal((6, 4))[0], touching),
        "arrays in float32": normal((7, 5), (7, 5), dtype=np.float32),
    }


RELU = Exercise(
    "relu_backward",
    ("grad_out", "S"),
    ("grad_S",),
    lambda grad_out, S: layers.relu_backward(grad_out, S),
    _relu_cases,
    "For one number: if s > 0, then max(0, s) = s, with the derivative 1. If s < 0 it is 0, with the derivative 0. By "
    "the chain rule grad_out is multiplied by that. Comparing an array, S > 0, makes an array of True and False, which "
    "count as 1 and 0 in a product.",
    (layers.relu_forward, layers.relu_backward),
    (
        Mistake("ReLU forgotten", "The gradient passes as if there were no ReLU. Where s < 0 it must be stopped.",
                lambda g, S: g),
        Mistake("multiplied by the output", "You multiply by max(0, s), which is the output. The derivative is 1 or 0.",
                lambda g, S: g * np.maximum(S, 0)),
        Mistake("grad_out forgotten", "This is the derivative of the ReLU alone. The chain rule multiplies it by "
                "grad_out, the gradient that arrives from above.", lambda g, S: (S > 0) * 1.0),
        Mistake("gate on the gradient", "You ask whether the gradient is positive. What matters is whether s was.",
                lambda g, S: g * (g > 0)),
        Mistake("gate turned round", "The gradient passes where s < 0 and is stopped where s > 0: the wrong way round.",
                lambda g, S: g * (S <= 0)),
    ),
    "The cache of relu_forward is S itself.",
    edges=(("some s are exactly 0", "0 counted as positive", "At s = 0 the ReLU has no derivative. The course takes 0 "
            "there, so the condition is S > 0, not S >= 0."),),
)  # fmt: skip


# Affine


def _affine_reference(grad_out, X, W, b):
    return layers.affine_backward(grad_out, (X, W))


def _affine_without(**wrong):
    """Return the affine backward in which some gradients are made by other functions of (grad_out, X, W)."""

    def backward(grad_out, X, W, b):
        right = dict(zip(("X", "W", "b"), _affine_reference(grad_out, X, W, b), strict=True))
        return tuple((right | {name: f(grad_out, X, W) for name, f in wrong.items()}).values())

    return backward


AFFINE = Exercise(
    "affine_backward",
    ("grad_out", "X", "W", "b"),
    ("grad_X", "grad_W", "grad_b"),
    _affine_reference,
    lambda: {
        "7 images, 5 inputs, 4 outputs": normal((7, 4), (7, 5), (5, 4), 4),
        "as many inputs as outputs": normal((6, 5), (6, 5), (5, 5), 5, seed=1),
        "one image": normal((1, 4), (1, 3), (3, 4), 4, seed=2),
        "arrays in float32": normal((7, 4), (7, 5), (5, 4), 4, dtype=np.float32),
    },
    "Every gradient has the shape of its array: grad_X (n, d_in), grad_W (d_in, d_out), grad_b (d_out,). With grad_out "
    "(n, d_out), X (n, d_in) and W (d_in, d_out) there is just one product of two of them, one of which may be "
    "transposed, for each of the first two. Entry j of b is added to column j of every row, so its gradient is a sum.",
    (layers.affine_forward, layers.affine_backward),
    (
        Mistake("summed over the wrong axis", AXIS, _affine_without(b=lambda g, X, W: g.sum(axis=1))),
        Mistake("summed over everything", "grad_b is one number: the sum over all entries. Each output has its own "
                "bias, so sum over the images only: axis=0.", _affine_without(b=lambda g, X, W: g.sum())),
        Mistake("not summed", "grad_b has a row for every image. All images share b, so their rows are added up: "
                "axis=0.", _affine_without(b=lambda g, X, W: g)),
        Mistake("W not transposed", "grad_out @ W works only because W is square here. Going back, each input collects "
                "from all outputs: grad_out @ W.T.", _affine_without(X=lambda g, X, W: g @ W)),
        Mistake("W forgotten", "grad_X should be grad_out times W, transposed.", _affine_without(X=lambda g, X, W: X)),
    ),
    "lib's forward keeps X and W in a cache, and its arrays may have a leading axis of several networks. For one "
    "network swapaxes(-1, -2) is .T, shared_product(X.T, ...) does not occur, and sum_rows sums over axis 0.",
)  # fmt: skip


# Batch normalisation


def _bn_forward_reference(S, gamma, beta, eps):
    return layers.batch_norm_forward(S, gamma, beta, eps)[0]


def _bn(mean=lambda S: S.mean(axis=0), var=lambda S: S.var(axis=0), width=lambda v, eps: np.sqrt(v + eps),
        scale=lambda S_hat, gamma, beta: gamma * S_hat + beta):  # fmt: skip
    """Return batch normalisation; the defaults are right."""
    return lambda S, gamma, beta, eps: scale((S - mean(S)) / width(var(S), eps), gamma, beta)


def _transposed_bn(S, gamma, beta, eps):
    return gamma * ((S - S.mean(axis=1, keepdims=True)) / np.sqrt(S.var(axis=1, keepdims=True) + eps)) + beta


def _bn_cases(arrays=1):
    """Return cases whose first ``arrays`` arguments are (n, d), followed by gamma, beta and eps."""

    def case(n, d, eps, **more):
        *wide, gamma, beta = normal(*[(n, d)] * arrays, d, d, **more)
        wide[-1] *= np.arange(1, d + 1, dtype=gamma.dtype)  # units of different widths
        wide[-1] += np.arange(d, dtype=gamma.dtype)  # and different centres
        return *wide, gamma, beta, eps

    return {"8 images, 3 units": case(8, 3, 1e-5), "5 images, 5 units": case(5, 5, 1e-5, seed=1),
            "a large epsilon, 0.5": case(6, 4, 0.5, seed=2), "arrays in float32": case(8, 3, 1e-5, dtype=np.float32),
            }  # fmt: skip


BN_FORWARD = Exercise(
    "bn_forward",
    ("S", "gamma", "beta", "eps"),
    ("S_tilde",),
    _bn_forward_reference,
    _bn_cases,
    "Mean and variance belong to a unit, that is to a column: S.mean(axis=0) has d numbers, one for each unit, and S "
    "minus it subtracts them from every row. The variance is the mean of the squares of what remains. eps stands under "
    "the root.",
    (layers.batch_norm_forward,),
    (
        Mistake("variance with n - 1", "The variance is the mean of the squares: divide by n, as np.var does without "
                "ddof=1.", _bn(var=lambda S: S.var(axis=0, ddof=1))),
        Mistake("summed over the wrong axis", AXIS, _transposed_bn),
        Mistake("one mean for all units", "S.mean() and S.var() without an axis give one number. Each unit needs its "
                "own: axis=0.", _bn(mean=np.mean, var=np.var)),
        Mistake("root forgotten", "You divide by the variance. The width of a unit is its root.",
                _bn(width=lambda v, eps: v + eps)),
        Mistake("epsilon outside the root", "It is the root of (v + eps), not the root of v, plus eps.",
                _bn(width=lambda v, eps: np.sqrt(v) + eps)),
        Mistake("epsilon forgotten", "You divide by the root of v alone; a unit that is constant would divide by 0.",
                _bn(width=lambda v, eps: np.sqrt(v))),
        Mistake("not centred", "The mean is not subtracted.", _bn(mean=lambda S: 0 * S[0])),
        Mistake("not divided by the width", "The mean is subtracted, but the width is not made 1.",
                _bn(width=lambda v, eps: 1.0)),
        Mistake("gamma and beta forgotten", "This is S_hat. It is still to be scaled by gamma and shifted by beta.",
                _bn(scale=lambda S_hat, gamma, beta: S_hat)),
        Mistake("beta forgotten", "The shift by beta is missing.", _bn(scale=lambda S_hat, gamma, beta: gamma * S_hat)),
        Mistake("gamma forgotten", "The factor gamma is missing.", _bn(scale=lambda S_hat, gamma, beta: S_hat + beta)),
        Mistake("gamma and beta exchanged", "gamma is the factor and beta is added; you have them the other way round.",
                _bn(scale=lambda S_hat, gamma, beta: beta * S_hat + gamma)),
    ),
    "lib's function also returns what the backward needs, and mean and variance for the running averages. sum_rows "
    "sums over axis 0, and gamma[..., None, :] lets several networks lie side by side.",
)  # fmt: skip


def _bn_backward_reference(grad_out, S, gamma, beta, eps):
    _, cache, _ = layers.batch_norm_forward(S, gamma, beta, eps)
    return layers.batch_norm_backward(grad_out, cache)


def _bn_backward(grad_S=None, grad_gamma=None, grad_beta=None, axis=0, ddof=0, eps_factor=1.0):
    """Return the backward of batch normalisation; the defaults are right.

    grad_S: a function of (g, S_hat, std, grad_out); grad_gamma: of (grad_out, S_hat, S, gamma, beta); grad_beta: of
    grad_out.
    """

    def backward(grad_out, S, gamma, beta, eps):
        std = np.sqrt(S.var(axis=axis, keepdims=True, ddof=ddof) + eps_factor * eps)
        S_hat, g = (S - S.mean(axis=axis, keepdims=True)) / std, grad_out * gamma
        right = g - g.mean(axis=axis, keepdims=True) - S_hat * (g * S_hat).mean(axis=axis, keepdims=True)
        return (
            grad_S(g, S_hat, std, grad_out) if grad_S else right / std,
            grad_gamma(grad_out, S_hat, S, gamma, beta) if grad_gamma else (grad_out * S_hat).sum(axis=axis),
            grad_beta(grad_out) if grad_beta else grad_out.sum(axis=axis),
        )

    return backward


BN_BACKWARD = Exercise(
    "bn_backward",
    ("grad_out", "S", "gamma", "beta", "eps"),
    ("grad_S", "grad_gamma", "grad_beta"),
    _bn_backward_reference,
    lambda: _bn_cases(arrays=2),
    "Make mu, v and S_hat again, as in the forward. Then g = gamma * grad_out and the formula above, with both means "
    "over the images: .mean(axis=0). gamma multiplies S_hat in every row, so its gradient is the sum of grad_out * "
    "S_hat over the rows; beta is added to every row, so its gradient is the sum of grad_out.",
    (layers.batch_norm_forward, layers.batch_norm_backward),
    (
        Mistake("the mean taken as a constant", "mu depends on all s_i, too. Its share of the gradient, minus the mean "
                "of g, is missing.",
                _bn_backward(lambda g, S_hat, std, _: (g - S_hat * (g * S_hat).mean(axis=0)) / std)),
        Mistake("the variance taken as a constant", "v depends on all s_i, too. Its share of the gradient, the term "
                "with S_hat, is missing.", _bn_backward(lambda g, S_hat, std, _: (g - g.mean(axis=0)) / std)),
        Mistake("mean and variance taken as constants", "mu and v depend on all s_i, so each contributes a term to the "
                "gradient. Both terms are missing.", _bn_backward(lambda g, S_hat, std, _: g / std)),
        Mistake("variance with n - 1", "The variance is the mean of the squares: divide by n, as np.var does without "
                "ddof=1.", _bn_backward(ddof=1)),
        Mistake("summed over the wrong axis", AXIS, _bn_backward(axis=1)),
        Mistake("summed over the wrong axis", AXIS,
                _bn_backward(None, lambda g, S_hat, *_: (g * S_hat).sum(axis=1), lambda g: g.sum(axis=1))),
        Mistake("sums instead of means", "In grad_S the two sums over the images are to be divided by n.",
                _bn_backward(lambda g, S_hat, std, _: (g - g.sum(axis=0) - S_hat * (g * S_hat).sum(axis=0)) / std)),
        Mistake("gamma forgotten", "g is gamma times grad_out.", _bn_backward(
            lambda g, S_hat, std, out: (out - out.mean(axis=0) - S_hat * (out * S_hat).mean(axis=0)) / std)),
        Mistake("root forgotten", "You divide by v + eps. It should be its root.", _bn_backward(
            lambda g, S_hat, std, _: (g - g.mean(axis=0) - S_hat * (g * S_hat).mean(axis=0)) / std**2)),
        Mistake("not divided by the width", "The division by the root of v + eps is missing.", _bn_backward(
            lambda g, S_hat, std, _: g - g.mean(axis=0) - S_hat * (g * S_hat).mean(axis=0))),
        Mistake("epsilon forgotten", "You divide by the root of v alone, without eps.", _bn_backward(eps_factor=0.0)),
        Mistake("S instead of S_hat", "gamma multiplies S_hat, so its gradient needs S_hat and not S.",
                _bn_backward(grad_gamma=lambda g, S_hat, S, *_: (g * S).sum(axis=0))),
        Mistake("S_tilde instead of S_hat", "gamma multiplies S_hat, the values before scaling and shifting.",
                _bn_backward(grad_gamma=lambda g, S_hat, S, gamma, beta: (g * (gamma * S_hat + beta)).sum(axis=0))),
        Mistake("S_hat forgotten", "gamma is multiplied by S_hat, so its gradient is the sum of grad_out * S_hat.",
                _bn_backward(grad_gamma=lambda g, *_: g.sum(axis=0))),
    ),
    "lib's backward takes S_hat and the inverse width from the forward's cache, and reads the two means off the "
    "gradients of beta and gamma. sum_rows sums over axis 0.",
)  # fmt: skip
