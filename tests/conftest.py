"""Fixtures and helpers that several test files share."""

import lib  # noqa: F401 - before NumPy, as it settles the number of BLAS threads

# isort: split
import hashlib
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from lib import data
from lib.nn import splits
from workbook.runs import cluster, store

PER_FILE = 200

#: the same inputs each time; --hypothesis-profile=hard tries many more, and others each time
quiet = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}
settings.register_profile("fast", max_examples=200, derandomize=True, **quiet)
settings.register_profile("hard", max_examples=10_000, **quiet)
settings.load_profile("fast")


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    """Train in this process unless a test asks for more: workers would not see what a test replaces here."""
    monkeypatch.setenv("SCHEDULER", cluster.IN_PROCESS)


@pytest.fixture(scope="session")
def pictures():
    """A data set of six files of 200 noisy images that a network can learn."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), 6 * PER_FILE // 10))
    patterns = rng.integers(0, 60, (10, 3072))
    pixels = (patterns[labels] + rng.integers(0, 190, (len(labels), 3072))).astype(np.uint8)
    fingerprint = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
    return data.Dataset("standin", pixels, labels, fingerprint, "drawn here")


@pytest.fixture
def tiny(pictures, monkeypatch, tmp_path):
    """Make those images the only data there are, and keep results in a temporary folder."""
    monkeypatch.setattr(data, "load", lambda name="auto": pictures)
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    return pictures


@pytest.fixture
def parts(tiny):
    """Their split: 900 images to train on, 100 to validate, 200 to test."""
    return splits.split(tiny)


def pages_of(pdf):
    """Return the text of every page."""
    if not shutil.which("pdftotext"):
        pytest.skip("no pdftotext")
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True).stdout
    return text.removesuffix("\f").split("\f")


def filled(pdf):
    """Return for each page the part of its text area that is left when the highest band without ink is taken away."""
    if not shutil.which("pdftoppm"):
        pytest.skip("no pdftoppm")
    pages, shares = subprocess.run(["pdftoppm", "-r", "30", "-gray", pdf], capture_output=True, check=True).stdout, []
    while pages:
        kind, size, _, pixels = pages.split(b"\n", 3)
        width, height = map(int, size.split())
        assert kind == b"P5"
        image = np.frombuffer(pixels[: width * height], np.uint8).reshape(height, width)
        area = image[
            round(0.078 * height) : round(0.932 * height)
        ]  # without head and page number; margins of report.typ
        inked = np.flatnonzero((area < 200).any(axis=1))
        shares.append(1 - np.diff([0, *inked, len(area)]).max() / len(area))
        pages = pixels[width * height :]
    return shares


def differences(function, array, h=1e-6):
    """Return the centred differences of a scalar function over every entry of a float64 array that it reads."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        old = array[index]
        array[index] = old + h
        above = function()
        array[index] = old - h
        gradient[index] = (above - function()) / (2 * h)
        array[index] = old
    return gradient


def close(a, b, within=1e-7):
    """Assert that the difference of two arrays is small against both, as norms."""
    assert a.shape == b.shape
    assert np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b)) < within


def away_from_zero(rng, shape):
    """Return random numbers that no finite difference carries across the kink of the ReLU."""
    return rng.choice([-1, 1], shape) * rng.uniform(0.1, 2, shape)
