"""Part 3: what happens in each layer of two deep networks, without and with batch normalisation, while they train."""

import time
from dataclasses import replace

import ipywidgets as widgets
import numpy as np

from lib.nn.optimizers import OPTIMIZERS
from lib.nn.passes import initial_network, rates
from lib.nn.training import batches, evaluate, fit, gradients
from workbook.play import chart
from workbook.play.controls import choice, read_units, slider, units
from workbook.play.panel import Panel, note
from workbook.play.training import Stopped, images, short, spaced
from workbook.runs.experiment import NINE_LAYERS, make

KINDS = {"without BN": (False, chart.COLORS[1]), "with BN": (True, chart.COLORS[0])}
BY_LAYER = {
    "Activations: standard deviation": {"log_y": True},
    "Gradient / weights": {"log_y": True},
    "Dead units / %": {"low": 0, "high": 100},
}


def layers(network, X, y):
    """Return for each layer of a network: {title of BY_LAYER: numbers}; X (n, 3072) float32, y (n,).

    Hidden layers: the standard deviation of their activations, and the share of units, in %, that no image turns on.
    All layers: the norm of the gradient for the weights, over the norm of the weights.
    """
    grads, (_, *hidden) = gradients(network, X, y)
    spread = [cache["affine"][0].std() for cache in hidden]
    dead = [100 * np.mean((cache["relu"] <= 0).all(axis=0)) for cache in hidden]
    ratio = [np.linalg.norm(g["W"]) / np.linalg.norm(W) for g, W in zip(grads, network.weights, strict=True)]
    return dict(zip(BY_LAYER, (spread, ratio, dead), strict=True))


class Inside(Panel):
    """The panel ``widget``: two networks that differ in batch normalisation only, by layer, while they train."""

    def __init__(self, data_name="auto"):
        super().__init__()
        self.first = short(data_name, hidden=NINE_LAYERS)
        self.hidden = units(NINE_LAYERS)
        self.init = choice("Initialiser", ["he", "xavier", "σ"])
        self.sigma = slider(widgets.FloatLogSlider, "σ", 0.01, -4, 0, 0.1)
        self.eta_max = slider(widgets.FloatLogSlider, "η max", self.first.eta_max, -3, 1, 0.1)
        self.lay_out(self.hidden, self.init, self.sigma, self.eta_max)
        self.start()

    def start(self):
        """Train both networks anew."""
        try:
            init = self.sigma.value if self.init.value == "σ" else self.init.value
            keep = {f: getattr(self.first, f) for f in ("data", "n_train", "n_validation", "sample", "n_s", "cycles")}
            experiment = spaced(
                make(keep | {"hidden": read_units(self.hidden.value), "init": init, "eta_max": self.eta_max.value})
            )
        except ValueError as error:
            self._failed(str(error))
            return
        self.background.start(lambda stopping: self._train(experiment, stopping))

    def _train(self, experiment, stopping):
        start, sets = time.perf_counter(), images(experiment)
        train, validation = sets.train.take(None), sets.validation.take(None)
        X, y = train.batch(slice(0, 200)), train.labels[:200]
        trained = {}
        for name, (batch_norm, _) in KINDS.items():
            order = batches(len(train), experiment.batch_size, np.random.default_rng(experiment.order_seed))
            network = initial_network(replace(experiment, batch_norm=batch_norm))
            trained[name] = network, OPTIMIZERS[experiment.optimizer](), order
        etas, every, curves = rates(experiment), experiment.log_every, {name: ([], []) for name in KINDS}
        for done in range(0, len(etas) + every, every):
            found = {}
            for name, (network, optimizer, order) in trained.items():
                if stopping.is_set():
                    raise Stopped
                if done:
                    fit(network, optimizer, train, etas=etas[done - every : done], l2=experiment.l2, order=order)
                found[name] = layers(network, X, y)
                statistics = "average" if done else "set"  # before the first update there is no average
                accuracy = evaluate(network, validation, experiment.l2, statistics=statistics)["accuracy"]
                curves[name][0].append(min(done, len(etas)))
                curves[name][1].append(100 * accuracy)
            self._draw(found, curves, len(etas), time.perf_counter() - start)

    def _draw(self, found, curves, updates, seconds):
        pieces = []
        for title, how in BY_LAYER.items():
            lines = []
            for name, (_, color) in KINDS.items():
                values = found[name][title]
                lines.append(chart.Line(range(1, len(values) + 1), values, color, marked=True, title=name))
            pieces.append(chart.chart(title, lines, xlabel="Layer", **how))
        lines = [chart.Line(*curves[name], color, title=name) for name, (_, color) in KINDS.items()]
        pieces.append(chart.chart("Validation accuracy / %", lines, xs=(0, updates), low=0, high=45))
        keys = [(color, False, name) for name, (_, color) in KINDS.items()]
        self.picture.value = chart.row(*pieces) + chart.legend(keys)
        ends = ", ".join(f"{y[-1]:.1f} % {name}" for name, (_, y) in curves.items())
        text = f"Update {lines[0].x[-1]} of {updates}, {seconds:.1f} s. Validation accuracy: {ends}."
        self.status.value = note(text)
