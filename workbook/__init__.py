"""The machinery around ``lib``: runs (what is trained, where, and what is stored), claims, and the report.

Importing this package settles how Dask's processes free memory and look after themselves. A variable that the user
has set is left alone.
"""

import os

import lib  # noqa: F401 - first, as it settles how NumPy multiplies matrices

# glibc then keeps freed arrays for the next step instead of returning them to the kernel. Dask's own setting for its
# workers does the opposite, which makes training in NumPy 2.5 times slower.
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(1 << 30))
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(1 << 28))

# Dask's processes check on themselves a hundred times a second, which takes a thirtieth of two cores away from
# training. Once a second is enough for passes that last minutes.
os.environ.setdefault("DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL", "1s")
os.environ.setdefault("DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL", "1s")
os.environ.setdefault("DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED", "False")
