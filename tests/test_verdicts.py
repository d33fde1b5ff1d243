"""The rule of verdicts: worked by hand, and its error rates on a small simulation."""

import numpy as np
import pytest

from benchmarks import verdicts as simulation
from workbook.claims import verdicts
from workbook.claims.verdicts import NEVER, effect, enough, explained, holm, one_sided, overall, paired, verdict

#: five values with mean 50 and standard deviation 0.1 sqrt(2.5) = 0.158; t(4) = 2.776, so h = 2.776 * 0.158 * sqrt(1.2)
NARROW = 50 + 0.1 * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
H = 2.776445 * 0.1 * np.sqrt(2.5) * np.sqrt(1.2)  # 0.481


def test_the_half_width_is_that_of_one_more_draw_and_adds_the_reading_error():
    n, mean, sd = verdicts.summary(NARROW)
    assert (n, mean, sd) == (5, 50, pytest.approx(0.158114, abs=1e-6))
    assert verdicts.half_width(n, sd) == pytest.approx(H, abs=1e-6)
    assert verdicts.half_width(n, sd, 0.2) == pytest.approx(H + 0.2, abs=1e-6)


@pytest.mark.parametrize(
    ("reported", "error", "scale", "expected"),
    [
        (50.9, 0, 1, "agrees"),  # inside the margin of 1, h = 0.48
        (51.1, 0, 1, "differs"),  # outside the margin and the interval
        (51.1, 0.6, 1, "agrees"),  # the margin is 2 * 0.6 where the number was read no better; h = 1.08
        (50.0, 0, 2.2, "cannot tell"),  # on the mean, but h = 1.06: another value would not have been noticed
        (51.04, 0, 2.2, "cannot tell"),  # outside the margin, inside the interval
        (51.1, 0, 2.2, "differs"),
        (51.1, 0.1, 2.2, "cannot tell"),  # h = 1.16 with the reading error
    ],
)
def test_verdicts_worked_by_hand(reported, error, scale, expected):
    assert verdict(reported, error, 1.0, 50 + scale * (NARROW - 50)) == expected


@pytest.mark.parametrize("reported", [10.0, 30.0, 50.0])
def test_spread_never_becomes_agreement(reported):
    assert verdict(reported, 0, 1.0, 30 + 100 * (NARROW - 50)) == "cannot tell"


def test_equal_values_and_single_ones():
    assert verdict(10.4, 0, 1.0, np.full(5, 10.0)) == "agrees"
    assert verdict(11.4, 0, 1.0, np.full(5, 10.0)) == "differs"
    assert verdict(10.0, 0, 1.0, [10.0]) == "cannot tell"
    assert verdict(10.0, 0, 1.0, []) == "cannot tell"


def test_runs_without_a_value_are_left_out_if_most_have_one():
    nan = np.nan
    assert verdict(50.0, 0, 1.0, [nan, nan, 50, 50, 50]) == "agrees"
    assert verdict(50.0, 0, 1.0, [nan, nan, nan, 50, 50]) == "cannot tell"
    assert verdict(50.0, 0, 1.0, np.full(5, nan)) == "cannot tell"
    assert verdict(50.0, 0, 1.0, np.full(NEVER, nan)) == "differs"
    assert verdict(50.0, 0, 1.0, [np.inf, 50, 50, 50, 50]) == "agrees"


def test_more_repeats_only_where_they_could_decide():
    def asks(scale, reported=50.0, n=5):
        return not enough(reported, 0, 1.0, np.tile(50 + scale * (NARROW - 50), n // 5))

    assert not asks(1)  # agrees
    assert not asks(1, 60)  # differs
    assert asks(2.2)  # h = 1.06 of five, but 2.145 * 0.348 * sqrt(16/15) = 0.77 of fifteen
    assert not asks(3)  # 1.05 of fifteen
    assert asks(2.2, n=5) and not asks(2.2, n=15)
    assert not enough(50.0, 0, 1.0, [50.0, 50.0])  # never fewer than five
    assert not enough(50.0, 0, 1.0, np.full(5, np.nan)) and enough(50.0, 0, 1.0, np.full(NEVER, np.nan))
    assert enough(50.0, 0, 1.0, np.where(np.arange(15) < 7, 50.0, np.nan))  # never more than fifteen


def test_a_difference_is_explained_by_a_significant_move_to_agreement():
    assert explained(52.0, 0, 1.0, NARROW, NARROW + 2)
    assert overall(52.0, 0, 1.0, NARROW, NARROW + 2) == "explained"
    assert overall(52.0, 0, 1.0, NARROW, NARROW + 4) == "differs"  # coded does not agree
    assert overall(50.0, 0, 1.0, NARROW, NARROW + 2) == "agrees"  # nothing to explain
    assert overall(50.5, 0, 1.0, NARROW, NARROW + 0.5) == "agrees"  # both do
    assert overall(48.0, 0, 1.0, NARROW, NARROW - 2) == "explained"
    assert overall(52.0, 0, 1.0, NARROW) == "differs"
    assert overall(50.0, 0, 1.0, np.full(NEVER, np.nan), np.tile(NARROW, 2)) == "explained"


def test_a_change_within_the_noise_explains_nothing():
    wide = 50 + np.array([-0.4, 0.4, 0.0, 0.3, -0.3])  # sd 0.35, h = 1.07
    narrow = 50.4 + 0.2 * np.array([0.3, -0.4, 0.4, -0.3, 0.0])
    assert verdict(51.2, 0, 1.0, wide) == "differs" and verdict(51.2, 0, 1.0, narrow) == "agrees"
    assert not explained(51.2, 0, 1.0, wide, narrow)  # +0.4 ± 0.51


def test_settings_are_equal_up_to_the_printed_digits():
    assert verdicts.setting(0.0035, 0.00005, 0.003512) == "setting"
    assert verdicts.setting(0.0035, 0.00005, 0.0036) == "setting differs"
    assert verdicts.setting(3, 0, 3) == "setting"


def test_gradient_errors_are_compared_by_powers_of_ten_above_rounding():
    np.testing.assert_allclose(verdicts.magnitude([1e-7, -1e-9, 1e-15, 0]), [-7, -9, -12, -12])


def test_the_paired_interval():
    mean, half = paired(NARROW + np.array([1, 1, 1, 1, 1.5]), NARROW)
    assert mean == pytest.approx(1.1)
    assert half == pytest.approx(2.776445 * np.sqrt(0.05) / np.sqrt(5), abs=1e-6)  # variance 0.05
    assert paired([2.0, 5.0, np.nan], [1.0, 4.0, 0.0]) == (1.0, 0.0)


def test_p_values_of_effects_worked_by_hand():
    differences = NARROW - 49.8  # mean 0.2, standard error 0.1 / sqrt(2) = 0.0707, t = 2.828: p = 0.0474
    assert effect(differences, 1.0)[0] == pytest.approx(0.04742, abs=1e-5)
    assert effect(-differences, 1.0)[1] == pytest.approx(0.04742, abs=1e-5)
    assert effect(differences, 1.0)[1] == 1
    near, far = effect(differences + 0.6, 1.0, equal=True)  # 0.8, t = 2.828 below the margin of 1
    assert (near, far) == (pytest.approx(0.04742, abs=1e-5), 1)
    assert effect(-differences - 0.6, 1.0, equal=True)[0] == pytest.approx(0.04742, abs=1e-5)
    assert effect(differences + 1.0, 1.0, equal=True)[1] == pytest.approx(0.04742, abs=1e-5)  # 1.2, above it
    assert effect(differences + 1.1, 1.0, by=0.5)[0] == pytest.approx(0.04742, abs=1e-5)  # 1.3 in (0, 1.5)
    assert effect(differences, 1.0, by=0.5)[0] == pytest.approx(0.04742, abs=1e-5)  # the sign counts too
    assert effect(differences + 1.5, 1.0, by=0.5)[1] == pytest.approx(0.04742, abs=1e-5)
    assert effect(np.full(5, 0.3), 1.0) == (0, 1)
    assert effect(np.full(5, 0.0), 1.0) == (1, 1)
    assert effect([3.0], 1.0) == (1, 1)
    assert effect([3.0, 3.0, np.nan, np.nan, np.nan], 1.0) == (1, 1)  # most pairs have no difference


def test_holm():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.9]), [1, 1])
    assert list(verdicts.effects([0.01, 0.04, 1.0], [1.0, 1.0, 0.02])) == ["supported", "supported", "refuted"]
    assert list(verdicts.effects([0.02, 0.04, 1.0], [1.0, 1.0, 0.3])) == ["open"] * 3


def test_offsets_to_one_side():
    moves = 0.1 * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    rows = 0.5 + np.array([[0.1], [-0.1]]) + moves  # mean 0.5 of one more draw with h = H
    mean, p = one_sided(rows)
    assert mean == pytest.approx(0.5) and p == pytest.approx(0.04466, abs=1e-4)
    assert one_sided(rows, 0.1)[1] > 0.05  # all readings may err alike
    assert one_sided(rows - 0.45) == (0, 1)  # one row errs to the other side
    assert one_sided(np.tile(rows, (6, 1)))[1] == pytest.approx(p)  # rows that move together count once


def test_the_simulated_error_rates_are_nominal():
    rng = np.random.default_rng(0)
    for row in simulation.numbers(rng, 2000):
        rates = {name: [float(x) for x in cell.split(" / ")] for name, cell in row.items() if "/" in cell}
        assert rates["right"][1] < 6.5  # 5 % and three standard errors
        assert rates["wrong by 2"][0] < 3.5
        if float(row["Spread"]) >= 1.5:
            assert max(rate[0] for rate in rates.values()) < 1
    for row in simulation.claims(rng, 500):
        if row["at most"] != "–":
            assert float(row["%"]) < float(row["at most"]) + 3, row["Simulated"]
