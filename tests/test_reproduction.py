"""Reported against reproduced: what a notebook observes, the rule of the verdict at its limits, the comparison."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from workbook.claims import reproduction
from workbook.claims.reproduction import agrees, compare, keep, kept, number, observe, reported, winners
from workbook.runs.experiment import Experiment


def result(test=0.5, validation=0.6, losses=(2.0, 1.5, 1.0), **settings):
    """Return a stand-in for a Result with a curve of three points, at updates 0, 500 and 1000."""
    curves = {"update": [0, 500, 1000], "train_loss": list(losses), "train_accuracy": [0.1, 0.4, 0.5]}
    curves |= {"validation_loss": [2.0, 1.2, 1.3], "train_cost": [3.0, 2.0, 1.5]}
    scores = {"train_loss": 1.1, "train_cost": 1.6, "train_accuracy": 0.45, "validation_loss": 1.3}
    scores |= {"test_accuracy": test, "validation_accuracy": validation}
    return SimpleNamespace(experiment=Experiment(**settings), curves=curves, scores=scores)


def row(quantity, value, unit="%", experiment_id="S000-ANY"):
    """Return a row as reported() has it."""
    return SimpleNamespace(report="000", experiment_id=experiment_id, quantity=quantity, value=str(value), unit=unit)


def agree(quantity, value, values, unit="%", experiment_id="S000-ANY"):
    return agrees(row(quantity, value, unit, experiment_id), np.atleast_1d(np.asarray(values, float)))


# The reported numbers


def test_all_reported_numbers_are_there():
    """266 numbers of five reports, each named once; every one can be read as a number."""
    frame = reported()
    assert len(frame) == 266 and set(frame["report"]) == {"000", "001", "002", "003", "004"}
    assert not frame.duplicated(["experiment_id", "quantity"]).any()
    assert list(frame.columns) == ["report", "experiment_id", "section", "quantity", "value", "unit", "config"]
    assert np.isfinite(frame["value"].map(number)).all()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("52.09", 52.09),
        ("8.37e-07", 8.37e-7),
        ("-1.5E-3", -0.0015),
        ("almost 10", 10),
        ("+2", 2),
        (".5", 0.5),
        ("3", 3),
    ],
)
def test_number(text, value):
    assert number(text) == value


# Observations


def test_observations_are_in_the_unit_of_the_report():
    """Report 004 has fractions, report 000 has per cent; curves are read part of the way, their end on all images."""
    seen = {o["quantity"]: o for o in observe("S004-FINAL", "coded", [result(test=0.52)])}
    assert seen["test_accuracy"]["value"] == 0.52 and seen["test_accuracy"]["variant"] == "coded"
    assert seen["final_train_loss_fig"]["value"] == 1.1 and seen["final_train_cost_fig"]["value"] == 1.6
    assert seen["final_train_accuracy_fig"]["value"] == 0.45
    (best,) = (o for o in observe("S004-FINAL", "coded", [result(keep_best=True)]) if "train_loss_fig" in o["quantity"]
               and "final" in o["quantity"])  # fmt: skip
    assert best["value"] == 1.0  # the scores are not those of the last weights
    assert seen["train_accuracy_after_cycle2_fig"]["value"] == 0.4
    observations = observe("S000-3L-BN", "stated", [result(test=0.25), result(test=0.27)])
    assert [o["value"] for o in observations if o["quantity"] == "test_accuracy"] == [25, 27]
    assert [o["value"] for o in observations if o["quantity"] == "train_loss_at_step_4500_fig"] == [1.5, 1.5]


def test_more_quantities_are_values_or_functions_of_a_result():
    runs = [result(l2=0.01), result(l2=0.02)]
    more = {"lambda": lambda r: r.experiment.l2, "n_layers": [3, 3]}
    observations = observe("S004-TPE-00", "stated", runs, **more)
    assert [(o["quantity"], o["repeat"], o["value"]) for o in observations] == [
        ("val_accuracy", 0, 0.6), ("val_accuracy", 1, 0.6), ("lambda", 0, 0.01), ("lambda", 1, 0.02),
        ("n_layers", 0, 3), ("n_layers", 1, 3)]  # fmt: skip
    assert all(o["experiment_id"] == "S004-TPE-00" and o["variant"] == "stated" for o in observations)


def test_what_is_not_reported_cannot_be_observed():
    with pytest.raises(ValueError, match="no S009-NONE of experiment S009-NONE"):
        observe("S009-NONE", "stated", [result()])
    with pytest.raises(ValueError, match="no speed of experiment S004-FINAL"):
        observe("S004-FINAL", "stated", [result()], speed=[1.0])
    with pytest.raises(ValueError, match="variant must be one of stated, coded, assigned, got 'mine'"):
        observe("S004-FINAL", "mine", [result()])


def test_curves_are_read_at_an_update_or_a_fraction_of_the_run():
    run = result(losses=(2.0, 1.5, 1.0))
    assert [reproduction.at(u, "train_loss")(run) for u in (0, 240, 260, 9000)] == [2.0, 2.0, 1.5, 1.0]
    assert [reproduction.at(f, "train_loss")(run) for f in (0.0, 0.5, 1.0)] == [2.0, 1.5, 1.0]
    assert reproduction.READERS["min_val_loss_fig"](run) == 1.2


def test_winners_are_ranked_and_their_plateau_is_kept():
    """Accuracies .50, .495, .48 and one that diverged: the first two are within a point of the best."""
    runs = [result(validation=v, l2=l2, eta_max=eta) for v, l2, eta in
            ((0.48, 0.1, 0.1), (0.5, 0.2, 0.2), (np.nan, 0.3, 0.3), (0.495, 0.4, 0.4))]  # fmt: skip
    found = winners(runs, n=3)
    assert [found[f"rank{r}_val_accuracy"] for r in (1, 2, 3)] == [[0.5], [0.495], [0.48]]
    for rank in (1, 2, 3):
        assert found[f"rank{rank}_lambda"] == [0.2, 0.4] and found[f"rank{rank}_eta"] == [0.2, 0.4]
    assert winners(runs, n=1, near=0.02)["rank1_lambda"] == [0.1, 0.2, 0.4] and len(winners(runs, n=1)) == 3


# The rule


@pytest.mark.parametrize(
    ("quantity", "unit", "experiment_id", "limit"),
    [
        ("test_accuracy", "%", "S000-3L-BN", 1.0),
        ("val_accuracy", "fraction", "S000-3L-BN", 0.01),
        ("test_accuracy", "%", "S000-9L-NOBN", 2.5),
        ("rank1_val_accuracy", "%", "S001-COARSE", 2.5),
        ("val_accuracy", "fraction", "S004-TPE-03", 0.01),
        ("gain_of_bn", "percentage points", "S000-ANY", 2.5),
        ("final_train_loss_fig", "nats, read off the figure (+-0.02)", "S004-FINAL", 0.03),
        ("final_train_loss_fig", "nats, read off the figure (+-0.05)", "S004-FINAL", 0.05),
        ("final_train_loss_fig", "nats, read off the figure", "S000-ANY", 0.03),
        ("final_train_loss", "nats", "S000-ANY", 0.03),
        ("train_accuracy_after_cycle1_fig", "fraction, read off the figure (+-0.005)", "S004-FINAL", 0.005),
        ("step_fig", "update step (read off, +-200)", "S000-ANY", 200),
    ],
)
def test_a_difference_agrees_up_to_its_limit(quantity, unit, experiment_id, limit):
    """On both sides, for a single run; two standard deviations over repeats widen it."""
    for sign in (-1, 1):
        assert agree(quantity, 0.5, 0.5 + sign * 0.999 * limit, unit, experiment_id)
        assert not agree(quantity, 0.5, 0.5 + sign * 1.001 * limit, unit, experiment_id)
    repeats = 0.5 + 2.5 * limit + limit * np.array([-1, 0, 1])  # standard deviation: the limit
    added = quantity.endswith("_fig") or "loss" in quantity  # to the reading error; else the larger of both counts
    assert agree(quantity, 0.5, repeats, unit, experiment_id) == added
    assert agree(quantity, 0.5, repeats - 0.6 * limit, unit, experiment_id)


def test_spread_counts_where_it_is_more_than_a_point():
    """Standard deviation 2: 4 points are allowed, not 4 more than the one."""
    assert agree("test_accuracy", 50, [51.9, 53.9, 55.9]) and not agree("test_accuracy", 50, [52.1, 54.1, 56.1])


@pytest.mark.parametrize("quantity", ["max_relative_gradient_error", "error_vs_numerical", "epsilon_W", "sum_ga_W"])
def test_gradient_errors_agree_within_orders_of_magnitude(quantity):
    """The largest of the repeats counts: at most ten times as large, at least a thousandth, or rounding both."""
    assert agree(quantity, 1e-7, [1e-9, 9.9e-7]) and not agree(quantity, 1e-7, [1e-9, 1.01e-6])
    assert agree(quantity, 1e-7, [1.01e-10]) and not agree(quantity, 1e-7, [0.99e-10, 1e-12])
    assert agree(quantity, -1e-7, [2e-7]) and agree(quantity, 1e-7, [-2e-7]) and not agree(quantity, 1e-7, [-2e-6])
    assert agree(quantity, 1e-17, [9.9e-13]) and not agree(quantity, 1e-17, [1.01e-12])
    assert agree(quantity, 0.0, [1e-16]) and not agree(quantity, 0.0, [1e-6])


@pytest.mark.parametrize("quantity", ["rank1_lambda", "rank3_eta", "best_lambda"])
def test_a_winner_lies_in_the_plateau_or_within_a_factor_of_two(quantity):
    for value in (0.0051, 0.01, 0.02, 0.04, 0.079):
        assert agree(quantity, value, [0.01, 0.04], "lambda")
    for value in (0.0049, 0.081):
        assert not agree(quantity, value, [0.01, 0.04], "lambda")


def test_settings_and_counts_must_be_equal():
    assert agree("lambda", "1.4e-2", [0.014, 0.014], "lambda") and not agree("lambda", "1.4e-2", [0.0141], "lambda")
    assert agree("n_layers", 3, [3, 3], "layers") and not agree("n_layers", 3, [4], "layers")


@pytest.mark.parametrize("values", [[np.nan], [0.5, np.nan]])
@pytest.mark.parametrize("quantity", ["test_accuracy", "final_train_loss", "epsilon_W", "rank1_lambda", "n_layers"])
def test_not_a_number_agrees_with_nothing(quantity, values):
    assert not agree(quantity, 0.5, values, "fraction")


# The comparison


@pytest.fixture
def reasons(tmp_path, monkeypatch):
    """Reasons of two experiments, one for a quantity and one for the rest."""
    path = tmp_path / "reasons.csv"
    path.write_text('experiment_id,quantity,reason\nS004-FINAL,test_accuracy,"one, special"\nS004-FINAL,*,the rest\n')
    monkeypatch.setattr(reproduction, "REASONS", path)


def observation(variant, *values, quantity="test_accuracy"):
    key = {"experiment_id": "S004-FINAL", "quantity": quantity, "variant": variant}
    return [key | {"repeat": i, "value": value} for i, value in enumerate(values)]


def compared(*groups):
    """Return the rows of S004-FINAL's test accuracy, reported as .5213."""
    rows = compare(pd.DataFrame([each for group in groups for each in group]))
    return rows.query("experiment_id == 'S004-FINAL' and quantity == 'test_accuracy'")


@pytest.mark.parametrize(
    ("stated", "coded", "assigned", "verdict"),
    [
        (0.52, 0.9, None, "match"),
        (0.52, None, 0.9, "match"),
        (0.9, 0.52, None, "explained"),
        (0.9, 0.9, 0.52, "differs"),
        (0.9, None, None, "differs"),
        (None, 0.52, None, "explained"),
        (None, None, 0.52, "match"),
        (None, 0.52, 0.9, "explained"),
        (None, None, 0.9, "differs"),
    ],
)
def test_verdict_asks_the_stated_variant_then_the_coded(reasons, stated, coded, assigned, verdict):
    """Assigned stands in for stated where that does not exist."""
    values = {"stated": stated, "coded": coded, "assigned": assigned}
    rows = compared(*(observation(variant, value) for variant, value in values.items() if value))
    assert set(rows["verdict"]) == {verdict}
    assert list(rows["variant"]) == [variant for variant, value in values.items() if value]
    assert set(rows["reason"]) == {"" if verdict == "match" else "one, special"}


def test_every_reported_number_has_its_rows_and_what_was_not_run_says_so(reasons):
    rows = compare(pd.DataFrame(observation("stated", 0.51, 0.53) + observation("coded", 0.5)))
    assert list(rows.columns) == ["report", "experiment_id", "quantity", "reported", "unit", "variant", "mean", "sd",
                                  "n", "difference", "verdict", "reason"]  # fmt: skip
    numbers = rows.drop_duplicates(["experiment_id", "quantity"])
    assert len(rows) == 267 and len(numbers) == 266
    order = ["experiment_id", "quantity"]
    assert numbers[order].to_numpy().tolist() == reported()[order].to_numpy().tolist()
    rest = rows[rows["n"] == 0]
    assert len(rest) == 265 and set(rest["verdict"]) == {"not comparable"} and rest["mean"].isna().all()
    assert set(rest.query("experiment_id == 'S004-FINAL'")["reason"]) == {"the rest"}
    stated, coded = (row for row in rows[rows["n"] > 0].itertuples())
    assert (stated.n, stated.mean, stated.verdict) == (2, pytest.approx(0.52), "match")
    assert stated.sd == pytest.approx(0.02 / 2**0.5) and stated.difference == pytest.approx(0.52 - 0.5213)
    assert coded.n == 1 and np.isnan(coded.sd) and coded.difference == pytest.approx(0.5 - 0.5213)


def test_observations_are_kept_by_section(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduction, "KEPT", tmp_path)
    with pytest.raises(FileNotFoundError, match="has no observations"):
        kept()
    for section, value in (("02-b", 0.1), ("01-a", 0.2), ("02-b", 0.3)):  # the third replaces the first
        keep(section, observation("stated", value))
    assert list(kept()["value"]) == [0.2, 0.3]


def test_a_claim_is_what_the_reports_print():
    """51.44 - 47.57 in percent, and 0.1002 - 0.492 as fractions."""
    assert reproduction.claim(("S000-9L-BN", "S000-9L-NOBN")) == "000: +3.87"
    assert reproduction.claim(("S002-SENS-NOBN-1e-4", "S002-SENS-NOBN-1e-1")) == "002: −39.18"
