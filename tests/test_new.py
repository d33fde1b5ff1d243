"""make new: the next section, which runs as it is."""

import json

import pytest

from workbook.report import display
from workbook.report.execute import check_parameters
from workbook.report.new import main, new
from workbook.report.notebook import ReportError
from workbook.runs import profiles
from workbook.runs.experiment import Experiment


def test_sections_are_numbered_and_named_after_their_title(tmp_path):
    (tmp_path / "09-bonus.ipynb").write_text("{}")
    (tmp_path / "playground.ipynb").write_text("{}")
    first = new('Does "bigger" help? λ \\ and what doesn\'t', tmp_path)
    assert first.name == "10-does-bigger-help-and-what-doesnt.ipynb"
    assert new("What does dropout do?", tmp_path).name == "11-what-does-dropout-do.ipynb"
    title = json.loads(first.read_text("utf-8"))["cells"][0]["source"][0]
    assert title == '# Does "bigger" help? λ \\ and what doesn\'t\n'


@pytest.mark.parametrize("title", ["", "   ", "42", "two\nlines"])
def test_a_title_is_needed(title, tmp_path, capsys):
    with pytest.raises(ReportError, match="make new TITLE="):
        new(title, tmp_path)
    assert main([]) == 2 and "make new TITLE=" in capsys.readouterr().err


def test_it_runs_as_it_is(tiny, tmp_path, monkeypatch):
    """Its parameters can be set, and its cells train, draw one figure named after the section, and say a finding."""
    shown, path = [], new("What does dropout do?", tmp_path)
    monkeypatch.setattr(display, "display", lambda data, metadata=None, raw=True: shown.append((data, metadata or {})))
    monkeypatch.setattr(display, "_notice", "")
    small = Experiment(data="standin", n_train=200, n_s=10, cycles=1, log_every=10, sample=100)
    monkeypatch.setattr(profiles, "setting", lambda profile, data: small)
    assert check_parameters(path, {"profile": "quick", "seeds": "2"}) == {"profile": "quick", "seeds": 2}
    scope = {}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]).replace('"auto"', '"standin"', 1), scope)
    labels = [metadata["report"].get("label") for _, metadata in shown if "report" in metadata]
    assert [label for label in labels if label] == ["fig-what-does-dropout-do"]
    assert "(#fig-what-does-dropout-do)" in shown[-1][0]["text/markdown"]
