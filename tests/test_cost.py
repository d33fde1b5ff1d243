"""What runs take, and what this machine has."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from workbook.runs import cluster, cost, engine
from workbook.runs.experiment import key, make
from workbook.runs.progress import Progress


@pytest.mark.skipif(cost.kernel() == "unknown", reason="NumPy's wheel has no OpenBLAS")
def test_the_kernel_is_the_one_that_multiplies():
    script = "import lib; from workbook.runs.cost import kernel; print(kernel())"
    for asked in ("Haswell", "Sandybridge"):
        environment = os.environ | {"OPENBLAS_CORETYPE": asked}
        said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        if os.uname().machine == "x86_64":
            assert said.stdout.strip() == asked


@pytest.mark.parametrize("settings", [{"hidden": [10_000_000]}, {"hidden": [1000] * 100_000}, {"batch_size": 45_000}])
def test_memory_is_told_from_the_settings(tiny, settings):
    needed = cost.memory(make(settings))
    assert needed > (1e11 if "hidden" in settings else 1e9), "that of the arrays that it certainly makes"
    assert cost.memory(make({})) < 2e8


def test_what_needs_more_memory_than_there_is_is_refused_before_it_trains(tiny, monkeypatch):
    monkeypatch.setattr(engine, "spread", lambda *arguments: pytest.fail("trained"))
    small, large = make({"data": "standin"}), make({"data": "standin", "hidden": [10_000_000]})
    said = r"^hidden = \(10000000,\) and batch_size = 100 need about \d+ GB of memory, and this machine has \d+ GB"
    with pytest.raises(cluster.ClusterError, match=said):
        engine.run([small, large])
    assert key(large) == key(replace(large)), "and no key depends on the machine"
    monkeypatch.setenv("SCHEDULER", "tcp://elsewhere:8786")
    monkeypatch.setattr(engine, "spread", lambda *arguments: [])
    assert list(engine.outcomes({"a": large}, Progress(1, ""))) == [], "other machines may have more"
