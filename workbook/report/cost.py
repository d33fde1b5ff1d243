"""What a build took: noted when it begins, told when it ends, shown in the appendix."""

import json
import os
import time

from dask.system import CPU_COUNT  # the cores that this process may use, in a container too

from lib import data
from workbook.runs import cost, store
from workbook.runs.experiment import code_version

BEGUN = store.ROOT / "reports" / "build" / "begun.json"


def begin():
    """Note the time and how fast this machine multiplies matrices, before it gets busy."""
    store.write(BEGUN, json.dumps({"time": time.time(), "rate": cost.product_rate()}))


def build_cost(data_name):
    """Return what was trained since the build began, and what that took: {what: value as a string}.

    Where other machines helped (SCHEDULER), the share of this one's cores is not told.
    """
    if not BEGUN.exists():
        return {}
    begun = json.loads(BEGUN.read_text())
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(begun["time"]))
    records = store.current(code_version(), data.load(data_name).fingerprint)
    records = [record for record in records if record["run"]["date"] >= since]
    seconds = time.time() - begun["time"]
    told = {"Networks trained": f"{len(records)}", "Wall time": f"{seconds / 60:.1f} min"}
    if not records:
        return told
    told["Arithmetic"] = f"{cost.total(records) / 1e12:.4g} TFLOP"
    if not os.environ.get("SCHEDULER", "inproc").startswith("tcp"):
        told["One core's rate"] = f"{begun['rate']:.0f} GFLOP/s"
        told["Cores"] = f"{CPU_COUNT}"
        told["Share"] = f"{100 * cost.share(records, seconds, CPU_COUNT, begun['rate']):.0f} %"
    return told
