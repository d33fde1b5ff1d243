"""Products that T networks share: equal to the last bit to those of each network alone."""

import numpy as np
import pytest

from lib.nn import products
from lib.nn.products import shared_product, sum_rows

SHAPES = [(100, 3072, 50), (450, 3072, 50), (100, 3072, 10), (7, 40, 3), (1, 5, 1)]


@pytest.mark.parametrize("wide", ["as measured", True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_shared_product_has_the_bits_of_each_trial_alone(shape, wide, monkeypatch):
    """With the branch that this machine's BLAS calls for; both branches give the right numbers."""
    if wide != "as measured":
        monkeypatch.setattr(products, "_same_bits", lambda *arguments: wide)
    n, d_in, d_out = shape
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d_in), dtype=np.float32)
    W, G = (rng.standard_normal((5, rows, d_out), dtype=np.float32) for rows in (d_in, n))
    for A, B in ((X, W), (X.T, G)):
        together = shared_product(A, B)
        assert together.shape == (5, len(A), d_out) and together.dtype == np.float32
        for t in range(5):
            if wide == "as measured":
                assert np.array_equal(together[t], A @ B[t])
            else:
                np.testing.assert_allclose(together[t], A @ B[t], rtol=1e-4, atol=1e-4)


def test_a_single_trial_is_always_one_product():
    """The wide product is then the narrow one, so the check of the bits must say so."""
    assert products._same_bits((100, 3072), True, (1, 3072, 50), np.dtype("f4"))
    assert products._same_bits((3072, 100), False, (1, 100, 50), np.dtype("f4"))


def test_the_product_lies_in_memory_as_one_wide_product_writes_it():
    out = shared_product(np.ones((4, 3)), np.ones((5, 3, 2)))
    assert out.swapaxes(0, 1).flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sum_rows(dtype):
    X = np.arange(24, dtype=dtype).reshape(2, 4, 3)
    assert sum_rows(X).dtype == dtype
    np.testing.assert_array_equal(sum_rows(X), X.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(sum_rows(X[1]), X[1].sum(axis=0, keepdims=True))
