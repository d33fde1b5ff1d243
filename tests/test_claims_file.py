"""Claim files: what is read from them, and the one line that each mistake gives."""

from pathlib import Path

import pytest

from workbook.claims import trials
from workbook.claims.file import load
from workbook.claims.quantities import quantity
from workbook.claims.source import ClaimError

CLAIMS = Path(__file__).parents[1] / "reports" / "claims"
GOOD = """author: A. Student
settings:
  coded: {batch_size: 450, odd: {skip: 1}}
experiments:
  A:
    title: Without
    stated: {}
    where: table 1
    numbers:
      test_accuracy: 52.1 %
  B:
    stated: {batch_norm: true}
    coded: {l2: 0.01, odd: {l2_half: true}}
    assigned: {cycles: 3}
    numbers:
      test_accuracy: {value: 0.530 fraction, where: page 2}
      final_train_loss: {value: 1.1, unit: nats, error: 0.02}
      test_accuracy_gain: {value: 1 point, over: A}
effects:
  - {worse: A, than: B as coded, by: 0.9}
  - {equal: [A, B], quantity: final_train_loss}
reasons:
  - {experiments: ["?"], numbers: [test_*], because: It rained., measured: {from: stated, to: coded}}
"""


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a text as a claim file."""

    def read(text):
        (tmp_path / "mine.yml").write_text(text)
        return load(tmp_path / "mine.yml")

    return read


def test_the_five_reports_claim_266_numbers_from_named_places():
    reports = [load(path) for path in sorted(CLAIMS.glob("*.yml"))]
    numbers = {r.name: [n for e in r.experiments.values() for n in e.numbers.values()] for r in reports}
    assert {name: len(each) for name, each in numbers.items()} == {
        "000": 61, "001": 65, "002": 49, "003": 16, "004": 75
    }  # fmt: skip
    assert all(n.where for each in numbers.values() for n in each)
    kinds = [n.quantity.kind for each in numbers.values() for n in each]
    assert (kinds.count("setting"), kinds.count("winner")) == (47, 36)


def test_numbers_have_the_unit_of_their_quantity_and_half_a_digit_of_error(read):
    report = read(GOOD)
    numbers = report.experiments["B"].numbers | {"A": report.experiments["A"].numbers["test_accuracy"]}
    found = {name: (n.value, n.error, n.where, n.line) for name, n in numbers.items()}
    assert found == {
        "A": (52.1, pytest.approx(0.05), "table 1", 10),
        "test_accuracy": (53.0, pytest.approx(0.05), "page 2", 16),
        "final_train_loss": (1.1, 0.02, "", 17),
        "test_accuracy_gain": (1.0, 0.5, "", 18),
    }
    assert numbers["test_accuracy_gain"].over == "A"


def test_what_is_coded_departs_from_what_is_stated_and_from_the_common_settings(read):
    experiments = read(GOOD).experiments
    assert experiments["A"].variants == {"stated": {}, "coded": {"batch_size": 450, "odd": {"skip": 1}}}
    assert experiments["B"].variants["coded"] == {
        "batch_norm": True, "batch_size": 450, "l2": 0.01, "odd": {"skip": 1, "l2_half": True}
    }  # fmt: skip
    assert experiments["B"].variants["assigned"] == {"cycles": 3}
    without = read(GOOD.replace("    coded: {l2: 0.01, odd: {l2_half: true}}", "    coded:").replace("B as coded", "B"))
    assert list(without.experiments["B"].variants) == ["stated", "assigned"]


def test_effects_name_the_better_one_first_and_equal_ones_in_pairs(read):
    worse, equal = read(GOOD).effects
    assert (worse.better, worse.worse, worse.by) == (("B", "coded"), ("A", "stated"), 0.9)
    assert (equal.better, equal.worse, equal.equal) == (("A", "stated"), ("B", "stated"), True)


@pytest.mark.parametrize(
    "old, new, line, message",
    [
        ("author", "auther", 1, "field = 'auther' (did you mean 'author'?)"),
        ("author: A. Student", "seeds: many", 1, "seeds = 'many', allowed: a whole number from 2 to 100"),
        ("batch_norm", "batchnorm", 12, "field = 'batchnorm' (did you mean 'batch_norm'?)"),
        ("batch_norm: true", "batch_norm: perhaps", 12, "batch_norm = 'perhaps', allowed: true or false"),
        ("batch_norm: true", "1: true", 12, "field = '1'"),
        ("batch_size: 450", "batch_size: many", 3, "batch_size = 'many'"),
        ("final_train_loss: {", "final_trian_loss: {", 17, "did you mean 'final_train_loss'?"),
        ("52.1 %", "52.1 nats", 10, "unit of test_accuracy = 'nats', allowed: %, fraction, percent"),
        ("52.1 %", "52.1", 10, "test_accuracy lacks its unit; write for example test_accuracy: 52.1 %"),
        ("52.1 %", "about 52 %", 10, "'about 52 %' is no number"),
        ("52.1 %", "true", 10, "True is no number"),
        ("52.1 %", "1e999 %", 10, "'1e999 %' is no number"),
        ("52.1 %", "", 10, "None is no number"),
        ("error: 0.02", "error: -1", 17, "error = -1, allowed"),
        ("over: A", "over: C", 18, "over = 'C', allowed: A"),
        ("test_accuracy: 52.1 %", "rank_1_lambda: 0.1", 10, "kind = 'networks', allowed: search"),
        ("  B:", "  A:", 11, "A "),
        ("    stated: {}\n", "", 5, "A needs stated"),
        ("    stated: {}\n", "    stated: {}\n    kind: serch\n", 8, "did you mean 'search'?"),
        ("than: B as coded", "than: C", 20, "experiment = 'C', allowed: A, B"),
        ("than: B as coded", "than: B as assinged", 20, "did you mean 'assigned'?"),
        ("than: B as coded, ", "", 20, "an effect is better: NAME, than: NAME"),
        ("by: 0.9", "by: some", 20, "by = 'some', allowed: a positive number"),
        ('["?"]', "[C]", 23, "experiments = 'C', allowed: A, B"),
        ("because: It rained., ", "", 23, "a reason needs because"),
        ("stated: {}", "stated: {", 9, "expected"),
        ("stated: {}", "stated: &x {}\n    coded: *x", 8, "aliases (*x) are not allowed"),
        ("batch_norm: true", 'batch_norm: !!bool "abc"', 12, "tags (!!bool) are not allowed"),
        (GOOD, "", 1, "experiments must name at least one experiment"),
        (GOOD, "- 1", 1, "the file must hold lines like name: value"),
        (GOOD, "[" * 1200, 1, "more than 20 levels"),
    ],
)
def test_a_mistake_is_one_line_with_its_place_and_remedy(read, tmp_path, old, new, line, message):
    assert old in GOOD
    with pytest.raises(ClaimError) as error:
        read(GOOD.replace(old, new, 1))
    text = str(error.value)
    assert text.startswith(f"{tmp_path}/mine.yml:{line}: ") and "\n" not in text
    assert message in text


def test_a_file_that_cannot_be_read_is_one_line_too(tmp_path):
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    for name, message in (("binary.yml", "can't decode"), ("missing.yml", "No such file")):
        with pytest.raises(ClaimError, match=message):
            load(tmp_path / name)


def test_quantities_of_a_family_are_filled_in():
    loss, winner = quantity("train_loss_after_epoch_12"), quantity("rank_2_eta")
    assert (loss.head, loss.unit, loss.lower) == ("training loss after epoch 12", "nats", True)
    assert loss.how == {"curve": "train_loss", "epoch": "12"}
    assert (winner.kind, winner.how) == ("winner", {"winner": "eta_max", "rank": "2"})
    assert quantity("gradient_error_W2").kind == "gradient"


def test_trials_are_all_combinations_each_with_draws_of_its_own():
    settings = {"trials": [{"l2": [0, 0.1, 0.1], "eta_max": {"log_uniform": [0.01, 0.1], "draws": 4}}], "trained": 2}
    groups, again, other = (trials.groups("LS", settings, seed) for seed in (0, 0, 1))
    assert groups == again != other
    assert [group[0]["l2"] for group in groups] == [0, 0.1, 0.1]
    etas = {fields["eta_max"] for group in groups for fields in group}
    assert len(etas) == 12 and 0.01 <= min(etas) and max(etas) <= 0.1
    assert trials.setting("LS", settings, "trials") == 12
    assert [len(group) for group in trials.trained("LS", settings)] == [2, 2, 2]
    assert [len(group) for group in trials.trained("LS", settings | {"trained": 0.6})] == [3, 3, 3]


SEARCH = """experiments:
  LS:
    kind: search
    stated:
      trials: [{l2: [0, 0.1]}]
    numbers: {rank_1_lambda: 0.1, number_of_trials: 2}
"""


@pytest.mark.parametrize(
    "new, message",
    [
        ("[{l2: 0, la: 1}]", "field = 'la'"),
        ("[{l2: [big]}]", "l2 = 'big'"),
        ("[{l2: {log_uniform: [0, 1], draws: 3}}]", "0 < low < high"),
        ("[{l2: {uniform: [0, 1]}}]", "write a list of"),
        ("[{l2: {log_uniform: [1, 2], draws: 1000000000}}]", "draws = [1000000000], allowed: integers from 1 to 10000"),
        ("[{l2: {log_uniform: [1, 2], draws: -1}}]", "draws = [-1], allowed"),
        ("[{l2: {log_uniform: [1, 2], draws: true}}]", "draws = [True], allowed"),
        (f"[{{l2: {[1] * 300}, eta_max: {[1] * 300}}}]", "trials = 90000, allowed: at most 10000"),
        ("[A]", "no experiment is called A"),
        ("winner", "trials = 'winner', allowed"),
    ],
)
def test_a_mistake_in_the_trials_is_one_line_too(read, new, message):
    assert read(SEARCH)
    with pytest.raises(ClaimError, match=r"mine.yml:5: .*") as error:
        read(SEARCH.replace("[{l2: [0, 0.1]}]", new))
    assert message in str(error.value)
