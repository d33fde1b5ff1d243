"""The stand-in in full: complete, the same everywhere, and neither easy nor hopeless."""

import numpy as np
import pytest

from lib import data


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("standin")))
        return data.load("standin")


def test_standin_is_balanced_and_complete(standin):
    assert standin.name == "standin" and "seed 0" in standin.where
    assert standin.pixels.shape == (60_000, 3072)
    np.testing.assert_array_equal(np.bincount(standin.labels), 6000)
    assert np.all(np.abs(np.bincount(standin.labels[50_000:]) - 1000) < 150)
    assert 40 < standin.pixels[:1000].std() < 70 and np.mean(standin.pixels[:1000] % 255 == 0) < 0.05


@pytest.mark.skipif(np.__version__ != "2.4.6", reason="NumPy's random streams belong to its version")
def test_standin_has_the_same_bytes_everywhere(standin):
    assert standin.fingerprint == "f75041196ddd0a28"


def test_standin_classes_can_be_told_apart_but_not_easily(standin):
    """Linear least squares on 16 times fewer pixels: well above chance, far from solved."""

    def features(rows):
        x = standin.pixels[rows].reshape(-1, 3, 8, 4, 8, 4).mean((3, 5)).reshape(-1, 192)
        return np.column_stack([x / 255, np.ones(len(x))])

    truth = np.eye(10)[standin.labels[:8000]]
    weights = np.linalg.lstsq(features(slice(0, 8000)), truth)[0]
    right = np.argmax(features(slice(50_000, 52_000)) @ weights, 1) == standin.labels[50_000:52_000]
    assert 0.25 < right.mean() < 0.5
