"""Fully connected networks in NumPy (``lib.nn``), the images they learn from (``data``), and the gradient check.

Import this package before NumPy: it sets environment variables that decide how NumPy multiplies matrices, in this
process and in its children. Variables that the user has set are left alone.
"""

import os


def _choose_blas():
    """Ask for one BLAS thread in each process, and for the AVX-512 kernels if the processor has AVX-512.

    Processes with several BLAS threads each compete for the cores: two processes with two threads on two cores are 19
    times slower than with one. On AVX-512 processors that it does not know, OpenBLAS would use its 256-bit kernels.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            flags = next((line for line in cpuinfo if line.startswith("flags")), "").split()
    except OSError:  # not Linux: leave the choice to OpenBLAS
        return
    if {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= set(flags):
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


_choose_blas()
