"""The gradient checks of reports: all inputs of a network at once."""

import numpy as np
import pytest

from lib.gradcheck import numerical_gradients
from lib.nn.network import create
from workbook.claims import gradients


@pytest.mark.parametrize("settings", [{}, {"batch_norm": True}, {"drop_rate": 0.4}], ids=["plain", "BN", "dropout"])
@pytest.mark.parametrize("hidden", [(), (5, 4)], ids=["1 layer", "3 layers"])
def test_wide_networks_are_checked_faster_but_the_same(hidden, settings):
    rng = np.random.default_rng(0)
    network = create((9, *hidden, 10), "he", rng, bias_std=0.1, dtype=np.float64, **settings)
    X, y = rng.standard_normal((12, 9)), rng.integers(0, 10, 12)
    for wide, slow in zip(gradients.wide(network, X, y), numerical_gradients(network, X, y, 0.0), strict=True):
        assert wide.keys() == slow.keys()
        for name in wide:
            np.testing.assert_allclose(wide[name], slow[name], rtol=1e-5, atol=1e-8)
