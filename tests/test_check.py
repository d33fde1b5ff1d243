"""make check: verdict lines, exit statuses, and the README's example from beginning to end."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from workbook.claims import check, diagnose
from workbook.runs import cluster, store

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "my-report.yml"


@pytest.fixture
def example(monkeypatch, tmp_path):
    """Check the example without training: return a function of what `trained` does instead."""
    monkeypatch.setattr(store, "REPORTS", tmp_path)

    def run(trained, *arguments):
        monkeypatch.setattr(check, "trained", trained)
        return check.main(["check", str(EXAMPLE), *arguments])

    return run


def test_the_verdicts_are_aligned_lines():
    rows = pd.DataFrame({
        "experiment": ["A", "BN"], "head": ["test accuracy", "λ"], "printed": ["52.1 %", "0.1"],
        "stated_n": [5, 10], "stated_values": [5, 8], "stated_mean": [51.98, 0.1], "stated_sd": [0.213, 0.02],
        "coded_n": [0, 0], "coded_values": [0, 0], "coded_mean": [0.0, 0.0], "coded_sd": [0.0, 0.0],
        "verdict": ["agrees", "cannot tell"],
    })  # fmt: skip
    assert list(check.lines(rows)) == [
        "Experiment  Quantity       Reported  As stated             Verdict",
        "A           test accuracy  52.1 %    51.98 ± 0.21 (5)      agrees",
        "BN          λ              0.1       0.1 ± 0.02 (8 of 10)  cannot tell",
    ]


@pytest.mark.parametrize(
    "error, status", [(KeyboardInterrupt(), 3), (cluster.Interrupted("gone"), 3), (cluster.ClusterError("none"), 2),
                      (cluster.RunError("1 of 2 runs failed"), 1)]
)  # fmt: skip
def test_the_exit_status_says_what_happened(example, capsys, error, status):
    def trained(*_):
        raise error

    assert example(trained) == status
    printed = capsys.readouterr().err
    assert re.match(r"check: \w", printed) and printed.count("\n") == 1


def test_a_wrong_file_trains_nothing(example, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(check, "trained", lambda *_: pytest.fail("it trains"))
    (tmp_path / "mine.yml").write_text(EXAMPLE.read_text().replace("test_accuracy", "test_acuracy"))
    assert check.main(["check", str(EXAMPLE), f"{tmp_path}/mine.yml"]) == 2
    assert f"{tmp_path}/mine.yml:6: quantity = 'test_acuracy' (did you mean" in capsys.readouterr().err


def test_the_readme_shows_the_example():
    assert EXAMPLE.read_text() in (ROOT / "README.md").read_text()
    assert len(EXAMPLE.read_text().splitlines()) <= 22


def test_the_example_is_trained_judged_and_written(monkeypatch, tmp_path, capsys):
    """On the stand-in in the quick profile, where nothing agrees: large reading errors make that say nothing."""
    monkeypatch.setenv("SCHEDULER", "inproc")
    monkeypatch.setattr(store, "REPORTS", tmp_path)
    vague = re.sub(r"([0-9.]+ %)", r"{value: \1, error: 60}", EXAMPLE.read_text()).replace("error: 0.02", "error: 3")
    (tmp_path / "my-report.yml").write_text(vague)
    assert check.main(["check", f"{tmp_path}/my-report.yml", "--profile", "dry", "--data", "standin"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.endswith(("agrees", "cannot tell")) for line in printed[1:6]] == [True] * 5
    folder = tmp_path / "checks" / "my-report"
    assert len(pd.read_csv(folder / "numbers.csv")) == 5
    assert (folder / "my-report.pdf").read_bytes().startswith(b"%PDF")
    assert "A. Student" in (folder / "my-report.html").read_text()


def test_what_may_have_gone_wrong_is_said_and_written(example, monkeypatch, tmp_path, capsys):
    asked, tried = [], pd.DataFrame({"p": [1]})
    found = SimpleNamespace(experiments=["9 layers"], conclusion="None helps.", table=tried)
    monkeypatch.setattr(check, "document", lambda *_: [])
    monkeypatch.setattr(diagnose, "diagnose", lambda report, names, *_: asked.append(names) or [found])
    measured = {(name, "stated", "test_accuracy"): np.array([52.8, 52.9, 52.7, 52.8, 52.8]) for name in
                ("3 layers", "3 layers, BN", "9 layers", "9 layers, BN")}  # fmt: skip
    measured["3 layers, BN", "stated", "final_train_loss"] = np.array([1.1, 1.11, 1.12, 1.1, 1.11])
    assert example(lambda *_: [(measured, {})]) == 0
    assert asked == [["9 layers", "9 layers, BN"]]
    assert "9 layers: None helps." in capsys.readouterr().out
    assert pd.read_csv(tmp_path / "checks" / "my-report" / "diagnosis.csv")["experiments"].tolist() == ["9 layers"]
