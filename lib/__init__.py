"""Fully connected networks in NumPy (``lib.nn``), the images they learn from (``data``), and the gradient check.

Importing this package before NumPy settles how NumPy multiplies matrices, in this process and in its children. A
variable that the user has set is left alone.
"""

import os


def _choose_blas():
    """One BLAS thread a process, and the AVX-512 kernels where the processor has them.

    Processes side by side, each with several BLAS threads, fight for the cores (two with two threads each on two
    cores: 19 times slower). OpenBLAS takes its 256-bit kernels on AVX-512 processors that it does not know.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            flags = next((line for line in cpuinfo if line.startswith("flags")), "").split()
    except OSError:  # not Linux: OpenBLAS chooses
        return
    if {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= set(flags):
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


_choose_blas()
