"""The likelihood of a report's numbers, of which loss and accuracy move together."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from workbook.claims import likelihood

MEANS, SPREAD = np.array([52.0, 1.2, 1.32]), np.array([0.3, 0.005, 0.006])


def case(reported, error=0.0, margins=(1.0, 0.03, 0.03)):
    return SimpleNamespace(reported=np.array(reported), errors=np.full(3, error), margins=np.array(margins))


def test_the_likelihood_of_one_more_draw(monkeypatch):
    monkeypatch.setattr(likelihood, "PRIOR", 10**7)  # the spread is known: Student's t becomes normal
    values, R = np.tile(MEANS, (4, 1)), np.array([[1, -0.8, 0], [-0.8, 1, 0], [0, 0, 1]])
    reported = MEANS + SPREAD * [1.0, -2.0, 0.5]
    log, p, *_ = likelihood.likelihood(case(reported, error=0.003), values, SPREAD**2, R)
    covariance = R * np.outer(SPREAD, SPREAD) * 5 / 4 + np.diag(0.003**2 / 3 + (0.2 * np.array([1, 0.03, 0.03])) ** 2)
    assert log == pytest.approx(multivariate_normal(MEANS, covariance).logpdf(reported), abs=1e-4)
    assert 0.05 < p < 1
    half = values.copy()
    half[:2, 1] = np.nan  # two of four networks diverged
    assert likelihood.likelihood(case(reported), half, SPREAD**2, R)[0] < log - np.log(2)
    assert likelihood.likelihood(case(reported), half[:2], SPREAD**2, R)[:2] == (-1e6, 0.0)


def test_the_joint_test_rejects_as_often_as_it_says():
    rng = np.random.default_rng(0)
    pvalues = []
    for _ in range(400):
        samples = MEANS + SPREAD * rng.standard_normal((20, 5, 3))
        spread = likelihood.pooled(samples, 0.01 * SPREAD)
        reported = MEANS + SPREAD * rng.standard_normal(3)
        pvalues.append(likelihood.likelihood(case(reported, margins=np.zeros(3)), samples[0], *spread)[1])
    assert 0.02 < np.mean(np.array(pvalues) < 0.05) < 0.08


def test_a_candidate_with_a_wild_spread_hardly_changes_the_typical_one():
    rng = np.random.default_rng(1)
    samples = [MEANS + SPREAD * rng.standard_normal((n, 3)) for n in [5] + [2] * 30]
    correlated = [X - MEANS + (X - MEANS)[:, :1] * [0, 0.05, 0] for X in samples]
    typical, R = likelihood.pooled([*correlated, 100 * SPREAD * rng.standard_normal((2, 3))], 0.1 * SPREAD)
    assert np.sqrt(typical[[0, 2]]) == pytest.approx(SPREAD[[0, 2]], rel=0.5)
    assert R[0, 1] > 0.5 and abs(R[0, 2]) < 0.5 and np.diag(R) == pytest.approx(1)
