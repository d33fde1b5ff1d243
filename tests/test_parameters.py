"""Parameters: what is refused before anything is trained, and that every notebook runs with any sensible ones."""

import json
import math
import subprocess
import sys
import zlib
from dataclasses import replace
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest

from workbook.report import display, parameters
from workbook.report.notebook import ReportError
from workbook.runs import engine, profiles, store
from workbook.runs.experiment import make

NOTEBOOKS = sorted(path for path in store.ROOT.glob("notebooks/*.ipynb") if path.stem not in ("start", "playground"))

#: other values than the notebooks' own; all that are not named here keep theirs
OTHERS = {"seeds": 2, "trials": 3, "search_seed": 1, "sigmas": [0.2], "inputs": 7, "images": 5, "l2": 0.1,
          "lowest": 1e-3, "highest": 1e-2}  # fmt: skip


def invented(settings, fingerprint):
    """Return a record that nobody trained: smooth over rate and lambda, the best inside of what is tried."""
    e = make(settings)
    noise = np.random.default_rng(zlib.crc32(repr(e).encode())).uniform(0, 0.001)
    accuracy = 0.5 + noise - 0.02 * abs(np.log10(e.eta_max) + 2) - 0.02 * abs(np.log10(e.l2 + 1e-9) + 3)
    values = {"loss": 2 - accuracy, "cost": 2.1 - accuracy, "accuracy": accuracy}
    every = {f"{part}_{name}": value for part in ("train", "validation", "test") for name, value in values.items()}
    updates = [*range(0, e.total_updates, e.log_every), e.total_updates]
    curves = {"update": updates, "eta": [e.eta_max] * len(updates)}
    curves |= {name: [value] * len(updates) for name, value in every.items() if not name.startswith("test")}
    run = {"seconds": 0.1, "date": "2026", "machine": "m", "python": "3", "numpy": "2", "fingerprint": fingerprint}
    weights = {"weights": np.eye(3072, 10).tolist()} if e.keep_weights else {}
    return {"diverged": False, "curves": curves, "scores": every, "run": run | {"experiment": settings}} | weights


@pytest.fixture
def execute(tiny, monkeypatch, tmp_path):
    """Run a notebook's cells in this process, with other parameters, invented results, and pictures of nothing."""

    def at_once(function, queue, arguments, progress):
        while queue:
            keys, _ = queue.next(math.inf)
            yield keys, [invented(settings, tiny.fingerprint) for settings in arguments(keys)[0]]

    monkeypatch.setattr(engine, "spread", at_once)
    monkeypatch.setattr("os.fsync", lambda file: None)
    tiny_profile = replace(profiles.SHORTER["quick"], times=300, n_train=150)
    monkeypatch.setitem(profiles.SHORTER, "quick", tiny_profile)
    monkeypatch.setattr(store, "REPORTS", tmp_path)
    monkeypatch.setattr(display, "_render", lambda fig, name: (b"", b""))
    monkeypatch.setattr(display, "display", lambda *arguments, **keywords: None)
    trials = pd.DataFrame({"round": "coarse", "l2": [1e-4, 1e-3], "validation_accuracy": [0.4, 0.5]})
    trials.to_csv(tmp_path / "lambda-search.csv")

    def run(path, **values):
        names = {}
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), path.stem, "exec"), names)
            if "parameters" in cell["metadata"].get("tags", []):
                names |= values

    return run


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("others", [{"seeds": 1}, OTHERS], ids=["one seed", "others"])
def test_every_notebook_runs_with_any_sensible_parameters(execute, path, others):
    known = parameters.defaults(path)
    assert known.keys() <= OTHERS.keys() | {"profile", "data"}, "a new parameter needs another value above"
    values = {name: value for name, value in others.items() if name in known}
    if "seeds" not in known and "seeds" in others and len(others) == 1:
        return
    execute(path, **values)


@pytest.mark.parametrize(
    ("given", "message"),
    [("# Parameters\nseds = 2\n", "this notebook: no parameter seds; did you mean seeds"),
     ("# Parameters\nseeds = 2.5\n", "this notebook: parameter seeds must be int, such as 5, not 2.5"),
     ("# Parameters\nseeds = 0\n", "this notebook: parameter seeds must be at least 1, not 0"),
     ("# Parameters\nsearch_seed = -1\n", "this notebook: parameter search_seed must be at least 0, not -1"),
     ("# Parameters\nseeds = 2\n", None), ("seds = 2", None)],
)  # fmt: skip
def test_setup_refuses_what_papermill_injected(monkeypatch, given, message):
    """Its cell stands behind that of the parameters; other cells are nobody's business."""
    cells = ["", "seeds = 5  # repeats\nsearch_seed = 0", given, "course = setup()"]
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(user_ns={"In": cells}))
    if message is None:
        parameters.check_injected()
        return
    with pytest.raises(ReportError, match=message) as refused:
        parameters.check_injected()
    assert refused.value._render_traceback_() == [str(refused.value)]


def test_papermill_stops_at_a_misspelt_parameter(tmp_path):
    """On its own command line, where it only warns."""
    command = [sys.executable, "-m", "papermill", "notebooks/05-three-layers.ipynb", tmp_path / "out.ipynb"]
    command += ["-p", "seds", "2", "-p", "data", "standin"]
    done = subprocess.run(command, cwd=store.ROOT, capture_output=True, text=True)
    assert done.returncode != 0 and "no parameter seds; did you mean seeds?" in done.stderr
    executed = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
    counts = [cell["execution_count"] for cell in executed if cell["cell_type"] == "code"]
    assert sum(count is not None for count in counts) <= 4, "nothing was trained"
