"""Augmentation: that it changes the images, how, and nothing else. A flaw here shows in no learning curve."""

import numpy as np
import pytest

from lib.nn.augmentation import AUGMENTATIONS, SHAPE, augment, blur, flip, noise, shift

RECIPES = [(("flip", 0.5),), (("shift", 3),), (("blur", 0.5),), (("noise", 0.1),), (("flip", 0.2), ("blur", 0.5))]
each = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: " and ".join(name for name, _ in recipe))


@pytest.fixture
def X():
    """40 normalised images of noise."""
    return np.random.default_rng(0).standard_normal((40, 3072)).astype(np.float32)


@each
def test_the_augmented_batch_differs_from_its_input(X, recipe):
    """Report 004's did not: its program returned the array that it was given."""
    before = X.copy()
    out = augment(X, recipe, np.random.default_rng(1))
    changed = (out != X).any(axis=1)
    assert changed.sum() >= 10 and out.shape == X.shape and out.dtype == X.dtype
    assert np.array_equal(X, before) and not np.shares_memory(out, X)
    assert not np.array_equal(out, augment(X, recipe, np.random.default_rng(2)))
    assert np.array_equal(out, augment(X, recipe, np.random.default_rng(1)))


def test_every_augmentation_is_tested():
    assert {name for recipe in RECIPES for name, _ in recipe} == set(AUGMENTATIONS)
    assert augment("as it is", (), None) == "as it is"


def test_an_amount_of_zero_changes_nothing(X):
    for name in AUGMENTATIONS:
        assert np.array_equal(augment(X, ((name, 0),), np.random.default_rng(0)), X), name


def test_a_recipe_is_done_in_its_order(X):
    rng = np.random.default_rng(3)
    expected = noise(shift(X, 2, rng), 0.1, rng)
    assert np.array_equal(augment(X, (("shift", 2), ("noise", 0.1)), np.random.default_rng(3)), expected)


def test_flip_mirrors_the_columns_of_each_row_and_channel():
    """The image of numbers 0 to 3071: row 0 of red ends where it began, and green stays green."""
    X = np.arange(3072.0)[None]
    out = flip(X, 1.0, np.random.default_rng(0))[0]
    assert out[:32].tolist() == list(range(31, -1, -1))
    assert out[1024:1056].tolist() == list(range(1055, 1023, -1))
    assert out[-32:].tolist() == list(range(3071, 3039, -1))


def test_flip_is_its_own_inverse_and_takes_its_share(X):
    assert np.array_equal(flip(flip(X, 1.0, np.random.default_rng(0)), 1.0, np.random.default_rng(0)), X)
    many = np.random.default_rng(1).standard_normal((2000, 3072), np.float32)
    changed = (flip(many, 0.2, np.random.default_rng(2)) != many).any(axis=1)
    assert changed.mean() == pytest.approx(0.2, abs=0.04)  # standard deviation 0.009


def test_shift_moves_by_whole_pixels_and_leaves_zeros():
    """Pictures of one bright pixel: it moves by at most 3 in both directions, uniformly."""
    n = 2450
    X = np.zeros((n, *SHAPE), np.float32)
    X[:, 1, 10, 20] = 7
    out = shift(X.reshape(n, -1), 3, np.random.default_rng(0)).reshape(n, *SHAPE)
    image, channel, row, column = np.nonzero(out)
    assert len(image) == n and set(channel) == {1} and set(out[image, channel, row, column]) == {7}
    counts = np.histogram2d(row - 10, column - 20, bins=[np.arange(-3.5, 4)] * 2)[0]
    assert counts.sum() == n and np.abs(counts - 50).max() < 35  # all 49 moves about 50 times
    ones = shift(np.ones((50, 3072)), 3, np.random.default_rng(0)).reshape(50, *SHAPE)
    for each in ones[:, 0]:  # a rectangle of ones is left, and zeros beside it
        down, right = each.any(axis=1), each.any(axis=0)
        assert np.array_equal(each, np.outer(down, right)) and down.sum() >= 29 and right.sum() >= 29
    assert ones.min() == 0


def test_blur_keeps_constants_and_means_and_smooths(X):
    constant = np.full((20, 3072), 1.5)
    assert blur(constant, 1.0, np.random.default_rng(0)) == pytest.approx(constant, rel=1e-12)
    out = blur(X, 1.0, np.random.default_rng(0), most=1.0)
    assert out.mean() == pytest.approx(X.mean(), abs=0.002)
    roughness = [np.abs(np.diff(a.reshape(-1, *SHAPE))).mean() for a in (X, out)]
    assert roughness[1] < 0.9 * roughness[0]
    assert (out.std(axis=1) < X.std(axis=1) + 1e-6).all()


def test_blur_of_one_pixel_is_a_gaussian():
    """Its rows and columns fall as exp(-d^2 / 2 sigma^2) with the sigma drawn, in both directions, in its channel."""
    X = np.zeros((1, *SHAPE))
    X[0, 2, 16, 16] = 1
    out = blur(X.reshape(1, -1), 1.0, np.random.default_rng(1), most=2.0).reshape(SHAPE)
    assert not out[:2].any() and out[2].sum() == pytest.approx(1, rel=1e-6)
    assert out[2] == pytest.approx(out[2].T) and out[2, 16, 13:16] == pytest.approx(out[2, 16, 19:16:-1])
    sigma = (0.5 / np.log(out[2, 16, 16] / out[2, 16, 17])) ** 0.5
    rng = np.random.default_rng(1)
    rng.random(1)  # which images are blurred
    assert sigma == pytest.approx(rng.uniform(0, 2), rel=1e-5)
    assert out[2, 14, 17] / out[2, 16, 16] == pytest.approx(np.exp(-5 / (2 * sigma**2)), rel=1e-6)


def test_blur_takes_its_share_of_the_images():
    X = np.random.default_rng(1).standard_normal((1000, 3072)).astype(np.float32)
    changed = np.abs(blur(X, 0.5, np.random.default_rng(2)) - X).max(axis=1) > 0
    # sigma below about 0.17 pixels weighs the neighbours less than float32 can tell: a third of the half
    assert 0.25 < changed.mean() < 0.5


def test_noise_has_its_deviation(X):
    added = noise(3 * X, 0.2, np.random.default_rng(0)) - 3 * X
    assert added.std() == pytest.approx(0.2 * 3 * X.std(), rel=0.01) and abs(added.mean()) < 0.01
