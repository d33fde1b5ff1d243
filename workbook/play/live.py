"""Part 1: a network trains while its settings are moved; earlier runs stay as pale lines."""

import html
import time
from dataclasses import dataclass, field, replace

import ipywidgets as widgets

from workbook.play import chart
from workbook.play.controls import Controls, code, described
from workbook.play.panel import Panel, beside, button, note
from workbook.play.training import Stopped, train
from workbook.runs.experiment import Experiment

KEPT = 6  # earlier runs that are not pinned
QUANTITIES = {"Loss / nats": "loss", "Cost / nats": "cost", "Accuracy / %": "accuracy"}


@dataclass(eq=False)
class Run:
    """One training: its settings, its curves so far, the network as it is now."""

    experiment: Experiment
    started: float = field(default_factory=time.perf_counter)
    curves: dict = field(default_factory=dict)
    network: object = None
    color: str = ""  # of a pinned run
    seconds: float = 0.0
    stopped: bool = False

    def curve(self, name):
        """Return one curve; accuracies in %."""
        return [value[0] * (100 if name.endswith("accuracy") else 1) for value in list(self.curves.get(name, []))]


class Live(Panel):
    """The panel ``widget``: controls, the curves, buttons to start over, stop, pin and reset.

    ``run`` is the training that runs or ran last. ``ended`` is a list of functions that are called with a Run that has
    been trained to its end.
    """

    def __init__(self, data_name="auto"):
        super().__init__()
        self.controls, self.ended = Controls(data_name, self.moved), []
        self.run, self.earlier, self.seed = None, [], 0
        self.runs = widgets.HTML()
        self.buttons |= {
            "seed": button("Other seed", self.other_seed),
            "pin": button("Pin", self.pin),
            "reset": button("Reset", self.reset),
        }
        row = widgets.HBox(list(self.buttons.values()))
        self.widget = beside(self.controls.box, self.picture, self.status, row, self.runs)
        self.start()

    def moved(self):
        """Train with the controls as they stand, unless that is what was trained last."""
        self._begin(again=False)

    def start(self):
        """Train anew with the same settings."""
        self._begin(again=True)

    def other_seed(self):
        """Train anew from other initial weights, to see how much is chance."""
        self.seed += 1
        self._begin(again=True)

    def experiment(self):
        """Return the Experiment that the controls stand for. Raises ValueError, in one sentence, if there is none."""
        return replace(self.controls.experiment(), seed=self.seed)

    def _begin(self, again):
        try:
            experiment = self.experiment()
        except ValueError as error:
            self.background.stop()
            self._failed(str(error))
            return
        if again or not self.run or experiment != self.run.experiment:
            self._keep()
            run = self.run = Run(experiment)
            self.background.start(lambda stopping: self._train(run, stopping))

    def pin(self):
        """Keep the run in a colour of its own until everything is reset."""
        if self.run and not self.run.color and self.run.curves:
            taken = [run.color for run in self.earlier]
            free = [color for color in chart.COLORS[1:] if color not in taken]
            self.run.color = free[0] if free else chart.COLORS[1]
            self._draw()

    def reset(self):
        """Take all lines away, move the controls back, and train."""
        self.earlier, self.run, self.seed = [], None, 0
        self.controls.reset()  # and so trains

    def still(self):
        """Return the picture and its legend as HTML."""
        return super().still() + self.runs.value

    def _keep(self):
        """Put the present run among the earlier ones, unless it has only just begun."""
        run = self.run
        if run and (run.color or len(run.curves.get("update", [])) > 3):
            loose = [each for each in [*self.earlier, run] if not each.color][-KEPT:]
            self.earlier = [each for each in [*self.earlier, run] if each.color or each in loose]

    def _train(self, run, stopping):
        def show(network, curves):
            run.network, run.curves, run.seconds = network, curves, time.perf_counter() - run.started
            if run is self.run and not stopping.is_set():
                self._draw()

        try:
            train([run.experiment], show, stopping)
        except Stopped:
            run.stopped = True
            if run is self.run:
                self._say()
            return
        for tell in self.ended:
            tell(run)

    def _draw(self):
        run, pieces = self.run, []
        for title, quantity in QUANTITIES.items():
            lines = [line for each in [*self.earlier, run] for line in self._lines(each, quantity)]
            last = max(each.experiment.total_updates for each in [*self.earlier, run])
            limits = {"low": 0, "high": 50} if quantity == "accuracy" else {"low": 0}
            pieces.append(chart.chart(title, lines, xs=(0, last), **limits))
        self.picture.value = chart.row(*pieces)
        self.runs.value = chart.legend(self._entries())
        self._say()

    def _lines(self, run, quantity):
        """Return the lines of a run, training dashed, validation solid; an earlier one that is not pinned is pale."""
        now, title = run is self.run, described(run.experiment, self.controls.start)
        color = run.color or (chart.COLORS[0] if now else "currentColor")
        updates = list(run.curves.get("update", []))
        for part in ("train", "validation"):
            y = run.curve(f"{part}_{quantity}")
            n = min(len(updates), len(y))
            pale = not now and not run.color
            yield chart.Line(updates[:n], y[:n], color, part == "train", pale, title=f"{part}: {title}")

    def _entries(self):
        """Return the legend: the run, dashed for training, and one line for each earlier run."""
        now = self.run.color or chart.COLORS[0]
        yield now, True, "training"
        yield now, False, f"validation: {self._summary(self.run)}"
        for run in reversed(self.earlier):
            yield run.color or "currentColor", False, self._summary(run) + (" (pinned)" if run.color else "")

    def _summary(self, run):
        accuracy = (run.curve("validation_accuracy") or [float("nan")])[-1]
        return f"{accuracy:.1f} %, {described(run.experiment, self.controls.start)}"

    def _say(self):
        """Say how far the run is, and give its settings as code."""
        run, text = self.run, "Stopped. " if self.run.stopped else ""
        updates, accuracy = run.curves["update"][-1], run.curve("validation_accuracy")[-1]
        text += f"Update {updates} of {run.experiment.total_updates}, {run.seconds:.1f} s, "
        text += f"validation accuracy {accuracy:.1f} %. As code: <code>{html.escape(code(run.experiment))}</code>"
        self.status.value = note(text)
