"""``make bench``: measure, print a table, and write benchmarks/results.json and figures/cost.svg and .png.

``python -m benchmarks [section ...]`` measures only some sections: steps, trials, efficiency, search, single, growth.
"""

import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import lib  # noqa: F401 - sets the environment of the child

HERE = Path(__file__).parent
SECTIONS = ("steps", "trials", "efficiency", "search", "single", "growth")
NEEDED = {"torch": "PyTorch", "sklearn": "scikit-learn"}
HOW = (
    "pip install --extra-index-url https://download.pytorch.org/whl/cpu -e '.[bench]'"
    " (that index has PyTorch without CUDA, 200 MB instead of gigabytes)"
)


def measure(names):
    """Measure the sections named and return {section: results}."""
    from benchmarks import sections

    images, X, y = sections.arrays()
    calls = {
        "steps": lambda: sections.steps(images, X, y),
        "trials": lambda: sections.trials(images, X, y),
        "efficiency": lambda: sections.efficiency(images, X, y),
        "search": sections.search,
        "single": lambda: {
            "times": sections.single(images, X, y),
            "report build": sections.report_build(),
            "peak MB": sections.peak_memory(),
        },
        "growth": lambda: sections.growth(images),
    }
    results = {}
    for name in names:
        start = time.perf_counter()
        results[name] = calls[name]()
        print(f"measured {name} in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return results


def rows(results):
    """Yield the rows (what, value, remark) of the table."""
    for section, unit in (("steps", "update of one network"), ("trials", "update, per network")):
        for row, found in results.get(section, {}).items():
            mine = found["ours"]["median"]
            yield f"{row}: {unit}", f"{mine * 1e6:.0f} µs", ratios(mine, found)
    for row, found in results.get("efficiency", {}).items():
        share, large = found["share of same products"], found["share of large product"]
        rates = ", ".join(f"{name} {value:.0f}" for name, value in found.items() if "GFLOP" in name)
        yield f"{row}: share of its products' rate", f"{share:.0%}", f"{large:.0%} of a large product's; {rates}"
    if found := results.get("search"):
        yield (
            "16-value lambda search, 2 processes",
            f"{found['ours']['median']:.1f} s",
            ratios(found["ours"]["median"], found),
        )
    if found := results.get("single"):
        for name, timing in found["times"].items():
            yield name, f"{timing['median'] * 1e3:.2f} ms", ""
        build = found["report build"]
        yield "report from executed notebooks", f"{build:.1f} s" if build else "–", "" if build else "not executed"
        for name, megabytes in found["peak MB"].items():
            yield f"peak memory, {name}", f"{megabytes:.0f} MB", ""


def ratios(mine, found):
    """Return our time over that of each of the others, by medians, and by the shortest times in brackets."""
    best = found["ours"]["best"]
    others = {name: timing for name, timing in found.items() if name != "ours"}
    return ", ".join(f"{mine / t['median']:.2f} [{best / t['best']:.2f}] × {name}" for name, t in others.items())


def draw(curves):
    """Draw how the time grows into figures/cost.svg and .png."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    Path("figures").mkdir(exist_ok=True)
    plt.style.use("workbook/report/report.mplstyle")
    figure, axes = plt.subplots(1, len(curves), figsize=(11, 2.4), layout="constrained")
    for ax, (what, points) in zip(axes, curves.items(), strict=True):
        x, micros = list(map(float, points)), list(points.values())
        seconds = max(micros) > 1e5
        ax.plot(x, [m / (1e6 if seconds else 1e3) for m in micros], "o-")
        ax.set(xlabel=what, ylabel="s" if seconds else "ms", xlim=(0, None), ylim=(0, None))
    figure.suptitle("Time of an update (right: of an epoch): 3 layers of 50 units with batch norm, batches of 100")
    for suffix in ("svg", "png"):
        figure.savefig(f"figures/cost.{suffix}")


def main(names):
    """Measure, print, write, draw."""
    from workbook.runs import store

    start, results = time.perf_counter(), measure(names)
    about = {
        "machine": platform.node(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "versions": {m: importlib.metadata.version(m) for m in ("numpy", "torch", "scikit-learn")},
        "seconds": time.perf_counter() - start,
    }
    store.write(HERE / "results.json", json.dumps({"about": about, **results}, indent=1))
    table = list(rows(results))
    widths = [max(len(row[column]) for row in table) for column in (0, 1)] if table else [0, 0]
    print(
        f"{about['date']}, {about['cores']} cores, load {about['load']:.1f}, {about['seconds']:.0f} s; ours: 1 thread;"
    )
    print("our time / theirs by medians of interleaved runs [by the shortest]:")
    for what, value, remark in table:
        print(f"{what:{widths[0]}}  {value:>{widths[1]}}  {remark}")
    if "growth" in results:
        draw(results["growth"])
        print("figures/cost.svg and .png: how the time grows")


if __name__ == "__main__":
    if lacking := [name for module, name in NEEDED.items() if not importlib.util.find_spec(module)]:
        sys.exit(print(f"make bench needs {' and '.join(lacking)}: {sys.prefix}/bin/{HOW}", file=sys.stderr) or 2)
    wanted = [name for name in sys.argv[1:] if name != "measure"] or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if "measure" in sys.argv:
        main(wanted)
    else:  # in a child that starts with the environment that lib sets, as the workers of the engine do
        sys.exit(subprocess.call([sys.executable, "-m", "benchmarks", "measure", *wanted]))
