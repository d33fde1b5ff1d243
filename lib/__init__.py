"""NumPy networks for CIFAR-10 and the experiments done with them; the notebooks tell the story.

Importing this package before NumPy settles how NumPy multiplies matrices, for this process and for its children,
and how its children free memory. A variable that the user has set is left alone.
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

# glibc then keeps freed arrays for the next step instead of returning them to the kernel; Dask's own setting for its
# workers does the opposite, which makes NumPy training 2.5 times slower
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(1 << 30))
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(1 << 28))

# Dask's processes look after themselves a hundred times a second, which takes a thirtieth of two cores away from
# training; for passes of minutes once a second is enough
os.environ.setdefault("DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL", "1s")
os.environ.setdefault("DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL", "1s")
os.environ.setdefault("DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED", "False")
