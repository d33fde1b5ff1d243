"""Part 4: the learning rate range test of Smith 2017, section 3.3: one run whose rate rises all the time."""

from dataclasses import replace

import ipywidgets as widgets
import numpy as np

from workbook.play import chart
from workbook.play.controls import slider
from workbook.play.panel import Panel, button, note
from workbook.play.training import short, train

SMOOTH = 5  # points over which the accuracy is averaged before it is read off


class RangeTest(Panel):
    """The panel ``widget``: accuracy and loss over the rate, and the ends of a cycle that one would read off.

    live: the Live panel whose other settings are taken, and which gets the rates when the button is pressed.
    """

    def __init__(self, data_name="auto", live=None):
        super().__init__()
        self.live, self.first, self.found = live, short(data_name), None
        self.highest = slider(widgets.FloatLogSlider, "up to η", 1.0, -1, 1, 0.1)
        self.updates = slider(widgets.IntSlider, "Updates", 400, 100, 2000, 100, readout_format="d")
        if live:
            self.buttons["use"] = button("Take these rates above", self.use)
        self.lay_out(self.highest, self.updates)
        self.start()

    def start(self):
        """Train once more with a rate that rises from 0: the first half of one long cycle."""
        try:
            base = self.live.experiment() if self.live else self.first
        except ValueError as error:
            self._failed(str(error))
            return
        rising = {"schedule": "cyclical", "eta_min": 0.0, "eta_max": self.highest.value, "cycles": 1}
        experiment = replace(base, **rising, n_s=self.updates.value, log_every=max(1, self.updates.value // 60))
        self.background.start(lambda stopping: self._train(experiment, stopping))

    def use(self):
        """Move the rates of the Live panel to those that were read off."""
        if self.found:
            low, high = self.found
            self.live.controls.move(eta_min=max(low, 1e-6), eta_max=high)

    def _train(self, experiment, stopping):
        def show(network, curves):
            eta = np.array([rate[0] for rate in curves["eta"]])
            if stopping.is_set():
                return
            accuracy = {part: np.array(curves[f"{part}_accuracy"])[:, 0] * 100 for part in ("train", "validation")}
            loss = {part: np.array(curves[f"{part}_loss"])[:, 0] for part in ("train", "validation")}
            self.found = read_off(eta, accuracy["validation"])
            self._draw(eta, accuracy, loss, experiment)

        train([experiment], show, stopping, updates=experiment.n_s)  # then it would fall

    def _draw(self, eta, accuracy, loss, experiment):
        pieces = []
        for title, curves, limits in (("Accuracy / %", accuracy, (0, 45)), ("Loss / nats", loss, (0, 2.5))):
            lines = [
                chart.Line(eta, np.minimum(curves[part], 2 * limits[1]), color, part == "train", title=part)
                for part, color in (("train", chart.COLORS[1]), ("validation", chart.COLORS[0]))
            ]
            marks = {"mark": self.found[1] if self.found else None, "xs": (0, experiment.eta_max)}
            pieces.append(chart.chart(title, lines, xlabel="η", low=limits[0], high=limits[1], **marks))
        keys = [(chart.COLORS[1], True, "training"), (chart.COLORS[0], False, "validation")]
        self.picture.value = chart.row(*pieces) + chart.legend(keys)
        text = "Nothing to read off yet."
        if self.found:
            low, high = self.found
            text = f"One would read off η min = {low:.2g}, where the accuracy begins to rise, and η max = {high:.2g}, "
            text += "where it is highest, before it falls or becomes ragged. The course gives 1e-05 and 0.1."
        self.status.value = note(text)


def read_off(eta, accuracy):
    """Return (lowest, highest) rate of a cycle, or None where the accuracy never rose; eta, accuracy (n,), in %.

    Smith 2017: the rate at which the accuracy begins to increase, and that at which it slows, becomes ragged or falls.
    Here, a tenth of the way up, and the highest point of the accuracy averaged over SMOOTH points.
    """
    if len(accuracy) < 2 * SMOOTH:
        return None
    smooth = np.convolve(accuracy, np.ones(SMOOTH) / SMOOTH, "valid")
    middle = eta[SMOOTH // 2 :][: len(smooth)]
    rise = smooth.max() - accuracy[0]
    if rise < 2:
        return None
    first = int(np.argmax(accuracy > accuracy[0] + rise / 10))
    return float(eta[first]), float(middle[np.argmax(smooth)])
