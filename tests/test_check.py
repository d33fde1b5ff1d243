"""make check: verdict lines, exit statuses, and the README's example from beginning to end."""

from pathlib import Path

import pandas as pd
import pytest

from workbook.claims import check
from workbook.runs import engine, store

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
    "error, status", [(KeyboardInterrupt(), 3), (engine.Interrupted("gone"), 3), (engine.ClusterError("none"), 2),
                      (engine.RunError("1 of 2 runs failed"), 1)]
)  # fmt: skip
def test_the_exit_status_says_what_happened(example, capsys, error, status):
    def trained(*_):
        raise error

    assert example(trained) == status
    printed = capsys.readouterr().err
    assert printed.startswith("check: ") and printed.count("\n") == 1


def test_a_wrong_file_trains_nothing(example, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(check, "trained", lambda *_: pytest.fail("it trains"))
    (tmp_path / "mine.yml").write_text(EXAMPLE.read_text().replace("test_accuracy", "test_acuracy"))
    for path, message in ((tmp_path / "mine.yml", "mine.yml:6: quantity"), (tmp_path / "mine.txt", "must end in .yml")):
        assert check.main(["check", str(path)]) == 2
        assert message in capsys.readouterr().err


def test_the_readme_shows_the_example():
    assert EXAMPLE.read_text() in (ROOT / "README.md").read_text()
    assert len(EXAMPLE.read_text().splitlines()) <= 22


def test_the_example_is_trained_judged_and_written(monkeypatch, tmp_path, capsys):
    """Quick profile, stand-in; the diagnosis of one network, as it takes longest, has tests of its own."""
    monkeypatch.setenv("SCHEDULER", "inproc")
    monkeypatch.setattr(store, "REPORTS", tmp_path)
    monkeypatch.setattr(check, "_diagnoses", lambda *_: [])
    assert check.main(["check", str(EXAMPLE), "--profile", "quick", "--data", "standin"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] in ("agrees", "differs", "tell", "explained") for line in printed[1:6]] == [True] * 5
    folder = tmp_path / "checks" / "my-report"
    assert len(pd.read_csv(folder / "numbers.csv")) == 5
    assert (folder / "my-report.pdf").read_bytes().startswith(b"%PDF")
    assert "52.81" in (folder / "my-report.html").read_text()
