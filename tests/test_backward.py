"""A backward of one's own is compared with finite differences, and what cannot be compared is said."""

import re

import numpy as np
import pytest

from workbook.exercises import check_backward


def affine(X, W, b):
    return X @ W + b


def affine_backward(grad_out, X, W, b):
    return grad_out @ W.T, X.T @ grad_out, grad_out.sum(axis=0)


def arrays():
    return [np.random.default_rng(0).standard_normal(shape) for shape in ((7, 5), (5, 4), 4)]


def test_any_function_can_be_checked(capsys):
    assert check_backward(affine, affine_backward, *arrays())
    assert [line.split(", ")[0] for line in capsys.readouterr().out.splitlines()] == [f"{k}: right" for k in "XWb"]
    assert check_backward(lambda S: 1e6 * np.exp(S), lambda grad_out, S: grad_out * 1e6 * np.exp(S), arrays()[0])
    assert check_backward(lambda S: np.sum(S**2), lambda grad_out, S: 2 * grad_out * S, arrays()[0])  # a number
    assert check_backward(lambda X: X, lambda grad_out, X: grad_out, arrays()[0])  # returns its own argument


@pytest.mark.parametrize(
    ("index", "wrong", "said"),
    [
        (1, lambda g, X, W, b: X.T @ g / len(X), r"W: wrong, most of all at \[\d, \d\]: \S+, and not \S+$"),
        (1, lambda g, X, W, b: g.T @ X, r"W: wrong, the gradient has shape \(4, 5\), W has \(5, 4\)$"),
        (2, lambda g, X, W, b: np.nan * b, r"b: wrong, most of all at \[0\]: nan, and not"),
        (0, lambda g, X, W, b: g @ W.T + 1e-4, "X: wrong, most of all"),
    ],
)
def test_a_wrong_gradient_is_named(capsys, index, wrong, said):
    def backward(*given):
        return [wrong(*given) if k == index else right for k, right in enumerate(affine_backward(*given))]

    assert check_backward(affine, backward, *arrays()) is False
    lines = capsys.readouterr().out.splitlines()
    assert re.match(said, lines[index]) and [": wrong" in line for line in lines].count(True) == 1


X, W, B = arrays()
UNFIT = {
    "a list": ((affine, affine_backward, X.tolist(), W, B), r"X is list, .*: np.array\(X, np.float64\)"),
    "float32": ((affine, affine_backward, X, W.astype(np.float32), B), "W is float32, but differences need float64"),
    "labels": ((lambda S, y: S[y], None, X, np.array([1])), r"y is int64, .*are bound: lambda S: f\(S, y\)"),
    "shapes": ((affine, affine_backward, X, W.T.copy(), B), r"f fails for shapes \[\(7, 5\), \(4, 5\), .*: matmul"),
    "a cache": ((lambda X: (X, None), None, X), r"must return one array, not tuple; .*lambda X: f\(X\)\[0\]"),
    "no return": ((lambda X: None, None, X), "must return one array, not NoneType"),
    "chance": ((lambda X: X * np.random.default_rng().random(), lambda g, X: g, X), "random numbers a fixed seed"),
    "in place": ((lambda X: X**2, lambda g, X: np.multiply(X, g, out=X), X.copy()), "let neither f nor"),
    "too few": ((affine, lambda g, *a: g, X, W, B), "returns 1 gradients; needed is one for each of X, W, b"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), UNFIT.values(), ids=UNFIT)
def test_what_cannot_be_checked_is_said(arguments, said):
    with pytest.raises((TypeError, ValueError), match=said):
        check_backward(*arguments)
