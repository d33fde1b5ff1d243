"""A lambda search of 16 values end to end: ``python -m benchmarks.search ours|pytorch FOLDER [lambdas]``."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from lib import data
from lib.nn import splits
from workbook.runs import engine, store
from workbook.runs.experiment import Experiment

UPDATES, LOG = 1800, 450
LAMBDAS = np.geomspace(1e-5, 1e-1, 16).tolist()


def ours(folder):
    """Train all through the engine, with a worker for each core, and store the results in folder."""
    store.RESULTS = Path(folder)
    name = data.load("auto").name
    setting = {"data": name, "batch_norm": True, "cycles": 1, "n_s": UPDATES // 2, "log_every": LOG}
    engine.run([Experiment(l2=l2, **setting) for l2 in LAMBDAS])


def pytorch(folder):
    """Share the search between two processes of one thread, which train one network after the other."""
    command = [sys.executable, "-m", "benchmarks.search", "pytorch", folder]
    halves = [subprocess.Popen([*command, *map(str, LAMBDAS[half::2])]) for half in (0, 1)]
    if any(process.wait() for process in halves):
        sys.exit("a process of the PyTorch search failed")


def pytorch_worker(folder, lambdas):
    """Load and prepare the data, train, evaluate and store, as the engine does."""
    import torch
    from torch.nn import functional as F

    from benchmarks import peers
    from lib.nn.schedules import triangular

    peers.threads(1)
    parts = splits.split(data.load("auto"), "45k5k_tail")
    sets = {}
    for name in ("train", "validation", "test"):
        images = getattr(parts, name)
        sets[name] = torch.from_numpy(images.batch(slice(None))), torch.from_numpy(images.labels)
    (X, y), etas = sets["train"], triangular(np.arange(UPDATES), 1e-5, 1e-1, UPDATES // 2)
    for l2 in lambdas:
        model, curves = peers.network((50, 50), True), []
        optimizer, order = peers.sgd(model.parameters(), l2), peers.indices(len(X))
        for update, eta in enumerate(etas):
            if update % LOG == 0:
                curves.append(
                    [peers.evaluate(model, X[:10_000], y[:10_000]), peers.evaluate(model, *sets["validation"])]
                )
            for group in optimizer.param_groups:
                group["lr"] = float(eta)
            some = next(order)
            optimizer.zero_grad()
            F.cross_entropy(model(X[some]), y[some]).backward()
            optimizer.step()
        curves.append([peers.evaluate(model, X[:10_000], y[:10_000]), peers.evaluate(model, *sets["validation"])])
        scores = {name: peers.evaluate(model, *pair) for name, pair in sets.items()}
        store.write(Path(folder) / f"{l2}.json", json.dumps({"curves": curves, "scores": scores}))


if __name__ == "__main__":
    side, where, *values = sys.argv[1:]
    if values:
        pytorch_worker(where, list(map(float, values)))
    else:
        {"ours": ours, "pytorch": pytorch}[side](where)
