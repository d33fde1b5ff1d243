"""Measuring claims: how quantities are read, which runs a file needs, and the rounds; tables of what came out."""

from dataclasses import replace

import numpy as np
import pytest

from workbook.claims import file, gradients, measure, table
from workbook.runs import engine
from workbook.runs.engine import Result
from workbook.runs.experiment import Experiment


def result(experiment=None, scores=None, **curves):
    """Return a Result of a run of 100 updates, logged at 0, 20 ... 100."""
    experiment = experiment or Experiment(data="standin", schedule="constant", updates=100)
    return Result(experiment, "key", False, {"update": [0, 20, 40, 60, 80, 100]} | curves, scores or {}, {})


@pytest.fixture
def load(tmp_path):
    """Return a function that reads a text as a claim file."""

    def load(text):
        (tmp_path / "mine.yml").write_text(text)
        return file.load(tmp_path / "mine.yml")

    return load


@pytest.mark.parametrize(
    "name, value",
    [
        ("test_accuracy", 52.5),
        ("final_validation_cost", 1.7),
        ("initial_train_loss", 2.4),
        ("train_loss_half_way", 1.9),  # 50 lies between two log points, the earlier one counts
        ("lowest_train_loss", 1.4),
        ("train_loss_after_epoch_4", 1.5),
        ("update_at_which_train_loss_leaves_2.30", 20),
        ("update_at_which_train_loss_leaves_1.0", np.nan),
    ],
)
def test_quantities_are_read_from_scores_and_curves(tiny, name, value):
    curve = [2.4, 2.3, 1.9, 1.5, 1.4, 1.6]
    experiment = Experiment(data="standin", schedule="constant", updates=100, batch_size=60)  # of 900: 15 an epoch
    found = result(experiment, {"test_accuracy": 0.525, "validation_cost": 1.7}, train_loss=curve)
    assert measure.read(name, found) == pytest.approx(value, nan_ok=True)


def test_cycles_and_stages_are_found_in_the_curve():
    cyclical = Experiment(data="standin", n_s=10, cycles=5)
    found = result(cyclical, train_accuracy=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert measure.read("train_accuracy_after_cycle_2", found) == pytest.approx(30)
    stages = replace(cyclical, n_s=10, cycles=2, odd={"stages": [(0.1, 0), (0.2, 0)]})  # 80 updates in two stages
    found = replace(found, experiment=stages, curves={"update": [0, 20, 40, 60, 80], "train_loss": [9, 8, 7, 6, 5]})
    assert measure.read("initial_train_loss", found) == 7
    assert measure.read("train_loss_half_way", found) == 6


SEARCH = """seeds: 3
experiments:
  LS:
    kind: search
    stated: {batch_norm: true, trials: [{l2: [0, 0.102, 0.2]}]}
    coded: {trials: winners, shuffle: false, read: {validation_accuracy: highest_validation_accuracy}}
    numbers:
      rank_1_validation_accuracy: 53 %
      rank_1_lambda: 0.10
      rank_2_validation_accuracy: 52 %
      rank_2_lambda: 0.05
  BOTH:
    kind: search
    stated: {trials: [LS]}
    numbers: {rank_1_lambda: 0.2}
"""


def test_the_trials_of_a_search_include_the_reported_winners(load):
    report = load(SEARCH)
    runs = measure.runs(report, "LS", "stated", 2, "standin")
    assert [run.l2 for run in runs] == [0, 0.102, 0.2, 0.05]  # 0.102 is printed as 0.10
    assert {(run.seed, run.batch_norm, run.data) for run in runs} == {(2, True, "standin")}
    assert [run.l2 for run in measure.runs(report, "LS", "coded", 0, "standin")] == [0.1, 0.05]
    assert measure.runs(report, "BOTH", "stated", 2, "standin") == runs


def test_winners_are_judged_by_their_scores(load, monkeypatch):
    report = load(SEARCH)
    accuracies = {0: 0.50, 0.102: 0.51, 0.1: 0.51, 0.2: 0.53, 0.05: 0.525}

    def trained(groups):
        def run(e):
            accuracy = accuracies[e.l2] + e.seed / 100
            curves = {"validation_accuracy": [accuracy + 0.01, accuracy]}
            return Result(e, "key", False, {"update": [0, 9000]} | curves, {"validation_accuracy": accuracy}, {})

        return {name: [run(e) for e in runs] for name, runs in groups.items()}

    monkeypatch.setattr(engine, "run_groups", trained)
    measured = measure.measure(report, "full", "standin")
    assert measured["LS", "stated", "rank_1_validation_accuracy"] == pytest.approx([53, 54, 55])
    assert measured["LS", "stated", "rank_2_validation_accuracy"] == pytest.approx([52.5, 53.5, 54.5])
    assert measured["LS", "stated", "rank_1_lambda"] == pytest.approx([2, 2, 2])  # points below our best
    assert measured["LS", "stated", "rank_2_lambda"] == pytest.approx([0.5, 0.5, 0.5])
    assert measured["BOTH", "stated", "rank_1_lambda"] == pytest.approx([0, 0, 0])
    # as coded, the best epoch of the reported winners, in the report's order
    assert measured["LS", "coded", "rank_1_validation_accuracy"] == pytest.approx([52, 53, 54])
    assert measured["LS", "coded", "rank_2_validation_accuracy"] == pytest.approx([53.5, 54.5, 55.5])


def test_trials_that_carry_their_weights_over_are_stages_of_one_run(load):
    report = load("""experiments:
  FINE:
    kind: search
    stated:
      trials: [{l2: [0, 0.1], eta_max: {log_uniform: [0.01, 0.1], draws: 4}}]
      trained: 2
      log_every: 9000
    coded: {carried: true, trained: 3}
    numbers: {rank_1_validation_accuracy: 50 %}
""")
    single = measure.runs(report, "FINE", "stated", 0, "standin")
    chains = measure.runs(report, "FINE", "coded", 0, "standin")
    assert [len(run.odd.stages) for run in chains] == [3, 3]
    assert [(run.eta_max, run.l2) for run in single[:2]] == list(chains[0].odd.stages[:2])
    curves = {"update": [0, 1, 2, 3], "validation_accuracy": [0.5, 0.4, 0.45, 0.3]}
    found = [replace(result(chain), curves=curves) for chain in chains]
    claimed = report.experiments["FINE"]
    assert measure._ranked(claimed, "coded", {"rank": "1"}, found) == pytest.approx(45)
    assert measure._ranked(claimed, "coded", {"rank": "3"}, found) == pytest.approx(40)


ROUNDS = """experiments:
  RIGHT:
    stated: {}
    coded: {shuffle: false}
    numbers: {test_accuracy: 50.0 %}
  WRONG:
    stated: {l2: 0.1}
    coded: {l2: 0.2}
    numbers:
      test_accuracy: 55.0 %
      test_accuracy_gain: {value: 5.0 points, over: RIGHT}
  NOISY:
    stated: {l2: 0.3}
    assigned: {l2: 0.4}
    numbers: {test_accuracy: 50.0 %}
effects:
  - {better: WRONG, than: RIGHT, by: 5}
  - {equal: [RIGHT, WRONG], quantity: final_train_loss}
"""


def test_rounds_add_what_is_coded_where_numbers_differ_and_seeds_where_there_is_no_verdict(load, monkeypatch):
    report, rounds = load(ROUNDS), []
    means, noise = {0.005: 0.50, 0.1: 0.52, 0.2: 0.55, 0.3: 0.50, 0.4: 0.50}, [0.004, -0.004, 0.0, 0.003, -0.003]

    def run(e):
        spread = noise[e.seed % 5] * (1 if e.l2 in (0.3, 0.4) else 0.1)
        scores = {"test_accuracy": means[e.l2] + spread, "train_loss": 1 + e.l2 / 100}
        return Result(e, "key", False, {}, scores, {})

    def trained(groups):
        rounds.append({name[1:] for name in groups})
        return {name: [run(e) for e in runs] for name, runs in groups.items()}

    monkeypatch.setattr(engine, "run_groups", trained)
    measured = measure.measure(report, "full", "standin")
    seeds = {key[:2]: len(values) for key, values in measured.items()}
    assert len(rounds[0]) == 20 and not any(variant == "coded" for _, variant, _ in rounds[0])
    assert seeds == {
        ("RIGHT", "stated"): 5, ("RIGHT", "coded"): 5, ("WRONG", "stated"): 5, ("WRONG", "coded"): 5,
        ("NOISY", "stated"): 10, ("NOISY", "assigned"): 5,
    }  # fmt: skip
    assert measured["WRONG", "coded", "test_accuracy_gain"] == pytest.approx([5] * 5)
    rows = table.rows(report, measured)
    assert list(rows["verdict"]) == ["agrees", "explained", "explained", "agrees"]
    assert rows.loc[3, ["stated_n", "assigned_n", "coded_n"]].tolist() == [10, 5, 0]
    effects = table.effects([report], [measured])
    assert list(effects["verdict"]) == ["refuted", "supported"]
    assert effects.loc[0, "mean"] == pytest.approx(2) and effects.loc[1, "mean"] == pytest.approx(0.00095)


def test_gradient_checks_are_compared_in_powers_of_ten(tiny, load):
    report = load("""seeds: 2
experiments:
  GC:
    kind: gradient check
    stated: {hidden: [4], inputs: 5, images: 6, l2: 0.1, measure: relative, threshold: 1e-5}
    coded: {labels: swapped}
    numbers:
      largest_gradient_error: 1e-8
      gradient_error_against_autograd: 1e-14
      gradient_error_W1: 2e-9
      sum_of_analytic_gradient_b2: 1e-17
      accepted_gradient_error: 1e-5
""")
    rows = table.rows(report, measure.measure(report, "full", "standin")).set_index("quantity")
    assert rows.loc["accepted_gradient_error", "verdict"] == "setting"
    assert rows.loc["largest_gradient_error", "reported"] == pytest.approx(-8)
    assert rows.loc["largest_gradient_error", "error"] == pytest.approx(np.log10(1.5))
    assert -11 < rows.loc["largest_gradient_error", "stated_mean"] < -4
    assert rows.loc["gradient_error_W1", "stated_mean"] <= rows.loc["largest_gradient_error", "stated_mean"]
    # without a penalty on them, the gradients of the ten scores add up to rounding
    assert rows.loc["sum_of_analytic_gradient_b2", ["reported", "stated_mean"]].tolist() == [-12, -12]
    assert rows.loc["gradient_error_against_autograd", "stated_mean"] < -10


def test_a_gradient_check_of_all_inputs_knows_the_penalty(tiny):
    settings = {"hidden": [2], "images": 3, "l2": 10, "measure": "norm"}
    assert gradients.value(settings, "error all numerical", 0, "standin") < 1e-6


def test_the_quick_profile_trains_little_of_everything(tiny, load):
    fewer = "settings: {stated: {n_train: 500}, assigned: {n_train: 500}}\n"
    [(measured, results)] = measure.trained([load(fewer + ROUNDS)], "dry", "standin")
    assert {len(values) for values in measured.values()} == {2}
    assert {variant for _, variant in results} == {"stated", "coded", "assigned"}
    [[first], _] = results["WRONG", "stated"]
    assert first.experiment.n_s == 15 and first.experiment.l2 == 0.1
