"""Splits and normalisations of a data set, minibatches of them, and arrays of one's own."""

import numpy as np
import pytest
from conftest import PER_FILE as N

from lib.data import Dataset
from lib.nn import splits
from lib.nn.splits import Arrays


@pytest.fixture(scope="module")
def dataset():
    """Six files of 200 images, each with its own brightness; one dimension varies only in the last, the test file."""
    rng = np.random.default_rng(1)
    pixels = np.concatenate([rng.integers(10 * i, 180 + 10 * i, (N, 3072), dtype=np.uint8) for i in range(6)])
    pixels[:1000, 7] = 100
    return Dataset("cifar10", pixels, rng.integers(0, 10, 6 * N, dtype=np.uint8), "", "")


# Which images


@pytest.mark.parametrize(
    ("name", "train", "validation"),
    [
        ("B1B2", range(N), range(N, 2 * N)),
        ("45k5k_tail", range(900), range(900, 1000)),
        ("49k1k", range(980), range(980, 1000)),
        ("49k1k_file2", [*range(200), *range(400, 1000), *range(200, 380)], range(380, 400)),
        ("50k", range(1000), range(900, 1000)),
    ],
)
def test_rows_of_the_splits(dataset, name, train, validation):
    parts = splits.split(dataset, name, "raw")
    assert parts.train.rows.tolist() == list(train)
    assert parts.validation.rows.tolist() == list(validation)
    assert parts.test.rows.tolist() == list(range(1000, 1200))
    np.testing.assert_array_equal(parts.validation.labels, dataset.labels[list(validation)])
    assert len(parts.train) == len(train) and parts.train.labels.dtype.kind == "i"


def test_a_random_split(dataset):
    one, same, other = (
        splits.split(dataset, "45k5k_random", "raw", rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert len(one.train) == 900 and len(one.validation) == 100
    assert sorted([*one.train.rows, *one.validation.rows]) == list(range(1000))
    assert one.train.rows.tolist() == same.train.rows.tolist() != other.train.rows.tolist()
    assert 0.02 < np.mean(one.validation.rows < 100) < 0.25
    with pytest.raises(ValueError, match="'45k5k_random' needs rng"):
        splits.split(dataset, "45k5k_random")


def test_fewer_images(dataset):
    parts = splits.split(dataset, "B1B2", n_train=150)
    assert parts.train.rows.tolist() == list(range(150))
    assert (len(parts.validation), len(parts.test)) == (100, 100)  # at least 100 of each
    np.testing.assert_allclose(parts.train.batch(slice(None)).mean(0), 0, atol=1e-5)  # statistics of those kept
    parts = splits.split(dataset, "50k", n_train=600, n_validation=7)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (600, 7, 200)
    for wrong in (0, 201):
        with pytest.raises(ValueError, match=f"n_train = {wrong}, allowed with split B1B2: 1 to 200"):
            splits.split(dataset, "B1B2", n_train=wrong)


def test_unknown_names_are_refused_with_what_is_allowed(dataset):
    with pytest.raises(ValueError, match=r"split = 'qqq', allowed: B1B2, 45k5k_tail"):
        splits.split(dataset, "qqq")
    with pytest.raises(ValueError, match=r"normalisation = 'zscore', allowed: zscore_train, zscore_each"):
        splits.split(dataset, normalisation="zscore")


# How they are normalised


def everything(images):
    return images.batch(slice(None), dtype=np.float64)


def standardised(pixels, of):
    """Return pixels minus the mean of others, over their standard deviation, or over 1 if that is 0."""
    x, others = pixels / 255, of / 255
    deviation = others.std(0)
    deviation[deviation < 1e-12] = 1  # rounding leaves no exact 0
    return (x - others.mean(0)) / deviation


def test_zscore_train(dataset):
    parts = splits.split(dataset)
    for part in parts:
        wanted = standardised(dataset.pixels[part.rows], dataset.pixels[:900])
        np.testing.assert_allclose(everything(part), wanted, atol=1e-12)
        np.testing.assert_allclose(part.batch(slice(None)), wanted, atol=1e-5)
    assert abs(everything(parts.test).mean()) > 0.1  # not its own statistics


def test_zscore_each(dataset):
    for part in splits.split(dataset, normalisation="zscore_each"):
        own = dataset.pixels[part.rows]
        np.testing.assert_allclose(everything(part), standardised(own, own), atol=1e-12)


def test_zscore_perfile(dataset):
    parts = splits.split(dataset, "49k1k", "zscore_perfile")
    x = np.concatenate([everything(part) for part in parts])
    files = np.delete(x, 7, axis=1).reshape(6, N, 3071)
    np.testing.assert_allclose(files.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(files.std(1, ddof=1), 1, atol=1e-12)
    assert np.all(x[:1000, 7] == 0)


def test_centering_and_raw(dataset):
    pixels = dataset.pixels / 255
    for name, shift in (("center_train", pixels[:900].mean(0)), ("center_scalar", pixels[:900].mean()), ("raw", 0)):
        parts = splits.split(dataset, normalisation=name)
        np.testing.assert_allclose(everything(parts.train), pixels[:900] - shift, atol=1e-12)
        np.testing.assert_allclose(everything(parts.test), pixels[1000:] - shift, atol=1e-12)


# Minibatches


@pytest.mark.parametrize("normalisation", splits.NORMALISATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_has_the_same_bits_in_every_batch(dataset, normalisation, dtype):
    train = splits.split(dataset, "45k5k_random", normalisation, rng=np.random.default_rng(3)).train
    tail = splits.split(dataset, "45k5k_tail", normalisation).train
    order = np.random.default_rng(4).permutation(900)
    for images in (train, tail):
        whole = images.batch(slice(None), dtype=dtype)
        assert whole.dtype == dtype
        np.testing.assert_array_equal(images.batch(order, dtype=dtype), whole[order])
        np.testing.assert_array_equal(images.batch([5, 7, 6, 8], dtype=dtype), whole[[5, 7, 6, 8]])
        np.testing.assert_array_equal(images.batch(slice(250, 700, 3), dtype=dtype), whole[250:700:3])
        out = np.full((100, 3072), np.nan, dtype)
        assert images.batch(order[:100], out=out) is out
        np.testing.assert_array_equal(out, whole[order[:100]])
        for i in (0, 17, -1, 899):
            np.testing.assert_array_equal(images.batch([i], dtype=dtype)[0], whole[i])
            np.testing.assert_array_equal(images.take(18).batch(slice(17, 18), dtype=dtype)[0], whole[17])


def test_raw_pixels_and_limits(dataset):
    validation = splits.split(dataset).validation
    np.testing.assert_array_equal(validation.raw(slice(3, 9)), dataset.pixels[903:909])
    np.testing.assert_array_equal(validation.raw([5, 2]), dataset.pixels[[905, 902]])
    np.testing.assert_array_equal(validation.raw(4), dataset.pixels[904:905])
    assert len(validation.take(7)) == 7 and len(validation.take(7000)) == 100
    assert validation.batch(slice(0, 0)).shape == (0, 3072)
    with pytest.raises(IndexError):
        validation.batch([100])
    with pytest.raises(ValueError, match="shape"):
        validation.batch([1, 2], out=np.empty((3, 3072)))


# Arrays of one's own


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_your_own_arrays_are_used_as_they_are(dtype):
    X, y = np.arange(1200).reshape(600, 2).astype(dtype), np.arange(600) % 3
    images = Arrays(X.tolist(), y.tolist())
    assert len(images) == 600 and images.labels.tolist() == y.tolist()
    order = np.random.default_rng(0).permutation(600)
    for indices in (order, slice(3, 7), slice(None)):
        batch = images.batch(indices)
        assert batch.dtype == np.float32 and not np.shares_memory(batch, X)
        np.testing.assert_array_equal(batch, X[indices])
    first = images.take(5)
    np.testing.assert_array_equal(first.batch(slice(None), dtype=np.float64), X[:5])
    assert first.labels.tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    "y", [np.zeros(3, int), np.zeros((4, 1), int), np.zeros(4), np.array([0, 1, -1, 2])],
    ids=["too few", "a column", "not integers", "negative"],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(y):
    with pytest.raises(ValueError, match=r"X must be \(n, d\) and y \(n,\) integers from 0, got \(4, 2\) and"):
        Arrays(np.zeros((4, 2)), y)


def test_images_that_are_no_rows_are_refused():
    with pytest.raises(ValueError, match=r"got \(4, 2, 2\) and \(4,\)"):
        Arrays(np.zeros((4, 2, 2)), np.zeros(4, int))
