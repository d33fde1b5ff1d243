"""What is measured: each function returns {row: {contestant: timing}} or something like it."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks import ours, peers
from benchmarks.timing import interleave
from lib import data
from lib.nn import splits
from lib.nn.augmentation import augment
from lib.nn.training import evaluate

SECONDS = 5  # for all contestants of one row
NETS = {f"{depth} layer{'s' * (depth > 1)}{', BN' * bn}": (h, bn) for depth, h in ours.HIDDEN.items() for bn in (0, 1)}
del NETS["1 layer, BN"]  # batch normalisation is in hidden layers


def steps(images, X, y):
    """Return the seconds for an update of one network."""
    table = {}
    for name, (hidden, bn) in NETS.items():
        cases = {"ours": ours.step(images, hidden, bn)}
        cases |= {f"PyTorch, {n} thread{'s' * (n > 1)}": peers.eager(X, y, hidden, bn, n_threads=n) for n in (1, 2)}
        if not bn:
            cases |= {
                f"scikit-learn, {n} thread{'s' * (n > 1)}": peers.scikit(X, y, hidden, n_threads=n) for n in (1, 2)
            }
        try:
            compiled = peers.eager(X, y, hidden, bn, compiled=True)
            compiled()
            cases["torch.compile"] = compiled
        except Exception as error:  # no C++ compiler, or Python headers missing
            print(f"torch.compile left out: {type(error).__name__}", file=sys.stderr)
        found = interleave(cases, SECONDS)
        for case in found:
            if case.startswith("scikit"):  # a call is 20 updates
                found[case] = {k: v / 20 if k != "rounds" else v for k, v in found[case].items()}
        table[name] = found
    return table


def trials(images, X, y):
    """Return the seconds for an update of one network when T are trained at once."""
    table = {}
    for name in ("3 layers, BN", "9 layers, BN"):
        hidden, bn = NETS[name]
        for T in (1, 4, 16, 64):
            cases = {"ours": ours.step(images, hidden, bn, T)}
            for n in (1, 2):
                cases[f"PyTorch loop, {n} thr."] = peers.eager(X, y, hidden, bn, n_threads=n, trials=T)
                cases[f"bmm, {n} thr."] = peers.batched(X, y, hidden, bn, trials=T, n_threads=n)
                cases[f"vmap, {n} thr."] = peers.batched(X, y, hidden, bn, trials=T, n_threads=n, vmap=True)
            found = interleave(cases, SECONDS, rounds=3 if T == 64 else 5)
            table[f"{name}, T = {T}"] = {
                case: {k: v / T if k != "rounds" else v for k, v in timing.items()} for case, timing in found.items()
            }
    return table


def efficiency(images, X, y):
    """Return the FLOP rate of a step, of its products alone, each done the best way, and of one large product."""
    table, large = {}, np.ones((2048, 2048), np.float32)
    for name in ("3 layers", "3 layers, BN", "9 layers, BN"):
        for T in (1, 16):
            hidden, bn = NETS[name]
            products = ours.products(hidden, T)
            cases = {(p, way): call for p, (ways, _) in products.items() for way, call in ways.items()}
            cases |= {"step": ours.step(images, hidden, bn, T), "large": lambda: large @ large}
            found = interleave(cases, SECONDS, block=0.005)
            flop = sum(flop for _, flop in products.values())
            best = sum(min(found[p, way]["median"] for way in ways) for p, (ways, _) in products.items())
            step, machine = flop / found["step"]["median"], 2 * 2048**3 / found["large"]["median"]
            table[f"{name}, T = {T}"] = {
                "step, GFLOP/s": step / 1e9,
                "same products, GFLOP/s": flop / best / 1e9,
                "large product, GFLOP/s": machine / 1e9,
                "share of same products": step * best / flop,
                "share of large product": step / machine,
            }
    return table


def search(rounds=2):
    """Return the seconds that a whole command takes to search 16 lambdas, for three layers with BN."""
    times = {"ours": [], "pytorch": []}
    for _ in range(rounds):
        for side, seconds in times.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds.append(clock([sys.executable, "-m", "benchmarks.search", side, folder]))
                assert len(list(Path(folder).glob("*.json"))) == 16, f"{side} did not store 16 results"
    return {side: {"median": float(np.median(t)), "best": min(t), "rounds": rounds} for side, t in times.items()}


def single(images, X, y):
    """Return the seconds for what surrounds the updates, and PyTorch's where it does the same."""
    some, batch, rng = images.take(10_000), images.batch(slice(0, 100)), np.random.default_rng(0)
    model, net = peers.network((50, 50), True), ours.network((50, 50), True, 1)
    trained = ours.step(images, (50, 50), True, 1)
    trained()
    net.averages = [{"mean": np.zeros((1, 50), np.float32), "var": np.ones((1, 50), np.float32)} for _ in range(2)]
    peers.threads(1)
    found = interleave(
        {
            "flip and shift 100 images": lambda: augment(batch, (("flip", 0.5), ("shift", 3)), rng),
            "evaluate 10,000 images": lambda: evaluate(net, some, np.zeros(1)),
            "the same, PyTorch, 1 thread": lambda: peers.evaluate(model, X[:10_000], y[:10_000]),
            "open the prepared data and split": lambda: splits.split(data.load("auto"), "45k5k_tail"),
        },
        SECONDS,
    )
    code = "import time; t = time.perf_counter(); import lib, numpy, lib.nn.training; print(time.perf_counter() - t)"
    bare = "import time; t = time.perf_counter(); import lib; print(time.perf_counter() - t)"
    for name, source in {"import lib": bare, "import lib.nn.training and NumPy": code}.items():
        times = [float(subprocess.check_output([sys.executable, "-c", source])) for _ in range(5)]
        found[name] = {"median": float(np.median(times)), "best": min(times), "rounds": 5}
    return found


def report_build():
    """Return the seconds for making PDF and HTML from the executed notebooks, or None if there are none."""
    notebooks = sorted(Path("reports/build").glob("[0-9]*.ipynb"))
    if not notebooks:
        return None
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "workbook.report",
            "build",
            *map(str, notebooks),
            "--output",
            f"{folder}/report",
        ]
        try:
            return clock(command, capture_output=True)
        except subprocess.CalledProcessError:
            return None


# VmHWM, because ru_maxrss of a child begins at what its parent had when it was started
PASS = r"""
import re
from workbook.runs.experiment import Experiment
from lib import data
from lib.nn.passes import train
images = data.load("auto")
setting = dict(data=images.name, batch_norm=True, hidden={hidden}, cycles=1, n_s=50, log_every=50)
train([Experiment(l2=0.001 * t, **setting) for t in range(16)], images)
print(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1])
"""


def peak_memory():
    """Return the peak MB of a process that trains a pass of 16 networks of three and of nine layers."""
    return {
        f"{depth} layers, BN, T = 16": int(
            subprocess.check_output([sys.executable, "-c", PASS.format(hidden=ours.HIDDEN[depth])])
        )
        / 1024
        for depth in (3, 9)
    }


def growth(images):
    """Return the microseconds of an update of three layers of 50 with BN (T = 1, minibatches of 100), one thing varied.

    Varied are the width, the depth, the number of networks T, and the batch size; and the number of training images,
    for which the time is that of an epoch.
    """
    usual = {"hidden": (50, 50), "batch_norm": True}
    varied = {
        "units per hidden layer": {w: {**usual, "hidden": (w, w)} for w in (10, 25, 50, 100, 200, 400)},
        "layers (50 units)": {k: {**usual, "hidden": (50,) * (k - 1)} for k in (1, 2, 3, 5, 9, 13)},
        "networks at once, T": {T: {**usual, "trials": T} for T in (1, 2, 4, 8, 16, 32, 64)},
        "batch size": {n: {**usual, "batch_size": n} for n in (25, 50, 100, 200, 400, 800)},
        "training images (one epoch)": {n: usual for n in (5_000, 15_000, 25_000, 35_000, 45_000)},
    }
    curves = {}
    for what, settings in varied.items():
        cases = {}
        for value, setting in settings.items():
            some = images.take(value) if what.startswith("training") else images
            cases[value] = ours.step(some, **setting)
        epochs = {v: v // 100 if what.startswith("training") else 1 for v in cases}
        found = interleave(cases, SECONDS)
        curves[what] = {value: timing["median"] * epochs[value] * 1e6 for value, timing in found.items()}
    return curves


def clock(command, **options):
    """Return the seconds that a command takes; its output is discarded."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=None if options else subprocess.DEVNULL, **options)
    return time.perf_counter() - start


def arrays():
    """Return the images as ours takes them, and in float32 for the others."""
    images = ours.random_images()
    return images, torch.from_numpy(images.batch(slice(None))), torch.from_numpy(images.labels)
