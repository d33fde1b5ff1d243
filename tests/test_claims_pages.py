"""The sentences, tables and figures of the reproduction document, from numbers made up here."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from workbook.claims import figures, pages, table
from workbook.claims.file import load

CLAIMS = """
author: A. Student
settings:
  stated: {batch_norm: true}
  coded: {batch_size: 450}
experiments:
  A: {stated: {}, numbers: {test_accuracy: 52.0 %, final_train_loss: 1.10 nats, layers: 3}}
  B: {stated: {hidden: [50]}, numbers: {test_accuracy: 50.0 %, final_train_loss: 1.30 nats}}
  C: {title: None, stated: {batch_norm: false}, numbers: {test_accuracy: 48.0 %, final_train_loss: 1.50 nats}}
  D: {stated: {}, coded: {init: 3.16}, numbers: {test_accuracy: 47.0 %, final_train_loss: 1.60 nats}}
effects:
  - {better: A, than: B, by: 2.1}
reasons:
  - {experiments: [A, B], because: The batches were larger., measured: {from: stated, to: coded}}
"""
DRAWS = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text(CLAIMS)
    return load(str(path))


@pytest.fixture
def measured(report):
    """A differs as stated and agrees as coded, B differs, C agrees, D has two runs without a value."""
    values = {("A", "stated", "layers"): np.array([3])}
    for name, stated, coded in (("A", 49.0, 52.1), ("B", 55.0, 54.0), ("C", 48.3, None), ("D", 47.2, None)):
        reported = report.experiments[name].numbers["final_train_loss"].value
        values[name, "stated", "test_accuracy"] = stated + DRAWS
        values[name, "stated", "final_train_loss"] = reported + 0.02 + DRAWS / 100
        if coded:
            values[name, "coded", "test_accuracy"] = coded + DRAWS / 2
    values["D", "stated", "test_accuracy"][:2] = np.nan
    return values


def test_counts_and_conclusion(report, measured):
    rows = table.rows(report, measured)
    assert list(rows["verdict"]) == ["explained", "agrees", "setting", "differs", *["agrees"] * 5]
    assert pages.counts(rows).loc["all"].to_dict() == {
        "agrees": 6, "explained": 1, "cannot tell": 0, "differs": 1, "setting": 1, "all": 9}  # fmt: skip
    assert "Of 8 printed results, 8 can be judged" in pages.conclusion(rows)
    assert "6 agree with what the report states, 1 agree only" in pages.conclusion(rows)


def test_why_gives_values_reason_and_what_was_measured(report, measured):
    differs, explained = pages.why(report, table.rows(report, measured), measured).split("\n\n")
    assert differs.startswith("**Differs.** *B*: test accuracy 50 % (stated 55.00 ± 0.16, coded 54.000 ± 0.079).")
    assert explained.startswith("**Explained.** *A*: test accuracy 52 %") and "The batches were larger." in explained
    assert "moves 1 of these 1 significantly" in explained and "from 3.0 to 0.1 margins" in explained


def test_experiments_say_what_most_have_in_common_only_once(report):
    assert pages.shared(report, "stated") == {"batch_norm": True}
    assert pages.shared(report, "coded") == {"batch_size": 450}
    rows = pages.experiments(report).set_index("Experiment")
    assert rows.loc["A"].to_dict() == {"As stated": "the course's setting", "As coded": "–"}
    assert rows.loc["B", "As stated"] == "hidden 50" and rows.loc["C", "As stated"] == "None: batch_norm no"
    assert rows.loc["D", "As coded"] == "init 3.16"


def test_offsets_are_found_where_all_numbers_err_alike(report, measured):
    offsets = pages.offsets([report], [measured]).set_index("kind")
    assert list(offsets.index) == ["test accuracy", "final training loss"]
    assert offsets.loc["test accuracy", "p"] == 1  # A errs downwards
    assert offsets.loc["final training loss", "offset"] == pytest.approx(0.02 / 0.03)
    assert offsets.loc["final training loss", "p"] < 0.01


def test_claims_read_well(report, measured):
    row = pages.claims(table.effects([report], [measured])).iloc[0]
    assert row["Claim"] == "A is better than B by 2.1" and row["Measured"] == "-6.00 ± 0.00 points"
    assert row["Verdict"] == "refuted"


def test_the_simulated_error_rates_can_be_read():
    assert len(pages.simulated("numbers")) == 10
    assert list(pages.simulated("claims")) == ["Simulated", "Conclusion", "%", "at most"]


def test_figures_tell_values_verdicts_and_what_is_missing(report, measured):
    rows = pages.results(table.rows(report, measured))
    [fig] = figures.differences(rows)
    texts = [text.get_text() for text in fig.axes[0].texts]
    assert texts.count("agrees") == 6 and "52 %" in texts and "5" in texts  # B is 5 margins off
    assert "3 of 5 runs have a value" in texts
    assert len(figures.differences(rows.iloc[np.arange(60) % 8])) == 2
    figures.agreement(rows)
    figures.telling({"numbers": "test_accuracy", "experiments": ["*"]}, report, rows, {})
    plt.close("all")
