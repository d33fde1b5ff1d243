"""What runs take, and what this machine has."""

import os
import subprocess
import sys

import pytest

from workbook.runs import cost


@pytest.mark.skipif(cost.kernel() == "unknown", reason="NumPy's wheel has no OpenBLAS")
def test_the_kernel_is_the_one_that_multiplies():
    script = "import lib; from workbook.runs.cost import kernel; print(kernel())"
    for asked in ("Haswell", "Sandybridge"):
        environment = os.environ | {"OPENBLAS_CORETYPE": asked}
        said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        if os.uname().machine == "x86_64":
            assert said.stdout.strip() == asked
