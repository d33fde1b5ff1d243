"""Saving a notebook in JupyterLab leaves git clean: the filter that `make env` sets up."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(path.relative_to(ROOT) for path in ROOT.glob("notebooks/**/*.ipynb") if "scratch" not in path.parts)
LAB = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": "3.12.1",
    },
}


@pytest.fixture(scope="module")
def clean():
    """The filter as a function from text to text."""
    environment = Path(sys.executable).parents[1]
    if not (environment / "bin/nbstripout").exists():
        pytest.skip("no nbstripout beside this Python")
    made = subprocess.run(
        ["make", "-nB", f"VENV={environment}", f"{environment}/ready"], cwd=ROOT, capture_output=True, text=True
    )
    command = re.search(r"git config filter\.notebook\.clean '(.*?)' \|\|", made.stdout, re.S)[1]
    return lambda text: (
        subprocess.run(["sh", "-c", command], cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout
    )


def saved(text):
    """Return a notebook as JupyterLab saves it when it has been run."""
    notebook = json.loads(text)
    notebook["metadata"] = LAB
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            output = {"name": "stdout", "output_type": "stream", "text": ["run\n"]}
            cell |= {"execution_count": 7, "outputs": [output]}
            cell["metadata"] |= {"execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"}}
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def test_git_keeps_what_is_committed(clean):
    text = (ROOT / "notebooks/05-three-layers.ipynb").read_text("utf-8")
    assert clean(saved(text)) == text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_notebooks_are_written_as_jupyterlab_writes_them(path):
    """Otherwise saving one would change the order of its lines."""
    text = (ROOT / path).read_text("utf-8")
    assert json.dumps(json.loads(text), indent=1, ensure_ascii=False, sort_keys=True) + "\n" == text


def test_scratch_is_ignored():
    ignored = subprocess.run(["git", "check-ignore", "notebooks/scratch/10-mine.ipynb"], cwd=ROOT, capture_output=True)
    assert ignored.returncode == 0
