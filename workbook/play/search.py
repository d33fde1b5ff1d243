"""Part 2: a whole search for lambda in one pass, 16 networks on the trial axis."""

import time
from dataclasses import replace

import ipywidgets as widgets
import numpy as np

from workbook.play import chart
from workbook.play.controls import described, slider
from workbook.play.panel import Panel, note
from workbook.play.training import short, train

NETWORKS = 16


class Search(Panel):
    """The panel ``widget``: accuracy over lambda, drawn again at every point while all networks train.

    live: the Live panel whose other settings are taken; without it, the course's.
    """

    def __init__(self, data_name="auto", live=None):
        super().__init__()
        self.live, self.first = live, short(data_name)
        log = widgets.FloatRangeSlider
        self.range = slider(log, "log₁₀ λ", (-5.0, -1.0), -7, 0, 0.5, readout_format=".1f")
        self.lay_out(self.range)
        self.start()

    def start(self):
        """Train all networks anew."""
        try:
            base = self.live.experiment() if self.live else self.first
        except ValueError as error:
            self._failed(str(error))
            return
        trials = [replace(base, l2=float(l2)) for l2 in np.logspace(*self.range.value, NETWORKS)]
        self.background.start(lambda stopping: self._train(trials, stopping))

    def _train(self, trials, stopping):
        start, common = time.perf_counter(), trials[0]
        lambdas = [e.l2 for e in trials]

        def show(network, curves):
            if stopping.is_set():
                return
            lines, points = [], len(curves["update"])
            for point in sorted({points // 4, points // 2, 3 * points // 4, points - 1}):
                for part, color in (("train", chart.COLORS[1]), ("validation", chart.COLORS[0])):
                    y, now = 100 * curves[f"{part}_accuracy"][point], point == points - 1
                    title = f"{part}, update {curves['update'][point]}"
                    lines.append(chart.Line(lambdas, y, color, part == "train", not now, marked=now, title=title))
            best = int(np.argmax(curves["validation_accuracy"][-1]))
            keys = [(chart.COLORS[1], True, "training"), (chart.COLORS[0], False, "validation; pale: earlier updates")]
            picture = chart.chart("Accuracy / %", lines, xlabel="λ", log_x=True, low=0, high=50, mark=lambdas[best])
            self.picture.value = chart.row(picture) + chart.legend(keys)
            accuracy = 100 * curves["validation_accuracy"][-1][best]
            self.status.value = note(
                f"{NETWORKS} networks, update {curves['update'][-1]} of {common.total_updates}, "
                f"{time.perf_counter() - start:.1f} s. Best so far: λ = {lambdas[best]:.2g} with {accuracy:.1f} % on "
                f"{common.n_validation} validation images, which is ±{self._error(accuracy, common):.1f} by chance. "
                f"Otherwise {described(replace(common, l2=self.first.l2), self.first)}."
            )

        train(trials, show, stopping)

    @staticmethod
    def _error(accuracy, experiment):
        """Return the standard error, in %, of an accuracy in % on so many images."""
        return (accuracy * (100 - accuracy) / experiment.n_validation) ** 0.5
