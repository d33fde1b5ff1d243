"""The controls of the playground: widgets by name, and the Experiment that they stand for."""

import ipywidgets as widgets

from lib.nn.optimizers import OPTIMIZERS
from workbook.play.training import short, spaced
from workbook.runs.experiment import departures, make

BATCH_NORM = {"none": (False, False), "before ReLU": (True, False), "after ReLU": (True, True)}
AUGMENT = {"none": (), "flip": (("flip", 0.5),), "flip and shift": (("flip", 0.5), ("shift", 3.0))}
STYLE = {"description_width": "84px"}


def slider(kind, name, value, low, high, step, **more):
    """Return a slider of ipywidgets with a label, such as FloatLogSlider, whose limits are powers of ten."""
    how = {"style": STYLE, "layout": {"width": "300px", "margin": "0"}, "readout_format": ".2g"} | more
    return kind(value=value, min=low, max=high, step=step, description=name, tooltip=name, **how)


def choice(name, options, value=None):
    """Return a menu with a label."""
    how = {"style": STYLE, "layout": {"width": "300px", "margin": "0"}, "tooltip": name}
    return widgets.Dropdown(options=options, value=options[0] if value is None else value, description=name, **how)


def units(hidden):
    """Return a field for the units of the hidden layers, written as 50, 50; ``read_units`` reads it."""
    how = {"style": STYLE, "layout": {"width": "300px", "margin": "0"}, "tooltip": "Hidden units"}
    return widgets.Text(_listed(hidden), description="Hidden units", continuous_update=False, **how)


def read_units(text):
    """Return the units of hidden layers; an empty text is a network of one layer. Raises ValueError, one sentence."""
    try:
        return tuple(int(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"Hidden units are whole numbers such as 50, 50, not {text!r}.") from None


class Controls:
    """All that can be moved, as ipywidgets in ``widgets`` by name.

    changed: called without arguments when one of them is moved.
    """

    def __init__(self, data_name, changed):
        self.start, self.changed, self._quiet = short(data_name), changed, False
        log, whole = widgets.FloatLogSlider, {"readout_format": "d"}
        e = self.start
        self.widgets = {
            "hidden": units(e.hidden),
            "batch_norm": choice("Batch norm", list(BATCH_NORM)),
            "l2": slider(log, "λ", e.l2, -6, 0, 0.1),
            "eta_min": slider(log, "η min", e.eta_min, -6, -1, 0.25),
            "eta_max": slider(log, "η max", e.eta_max, -4, 1, 0.1),
            "n_s": slider(widgets.IntSlider, "n_s", e.n_s, 25, 1000, 25, **whole),
            "cycles": slider(widgets.IntSlider, "Cycles", e.cycles, 1, 6, 1, **whole),
            "init": choice("Initialiser", ["he", "xavier", "σ"]),
            "sigma": slider(log, "σ", 0.01, -4, 0, 0.1, disabled=True),
            "batch_size": choice("Batch size", [10, 20, 50, 100, 200, 500], e.batch_size),
            "optimizer": choice("Optimizer", list(OPTIMIZERS)),
            "drop_rate": slider(widgets.FloatSlider, "Dropout", 0.0, 0, 0.8, 0.05),
            "augment": choice("Augment", list(AUGMENT)),
            "n_train": choice("Images", [500, 1000, 2000, 5000, 10_000, 20_000, 45_000], e.n_train),
        }
        self.box = widgets.VBox(list(self.widgets.values()), layout={"width": "320px", "flex": "0 0 auto"})
        for each in self.widgets.values():
            each.observe(self._moved, "value")

    def experiment(self):
        """Return the Experiment that the controls stand for. Raises ValueError, in one sentence, if there is none."""
        at = {name: _rounded(each.value) for name, each in self.widgets.items()}
        batch_norm, after = BATCH_NORM[at.pop("batch_norm")]
        sigma = at.pop("sigma")
        settings = {f: getattr(self.start, f) for f in ("data", "n_validation", "sample", "test")} | at
        settings |= {"hidden": read_units(at["hidden"]), "batch_norm": batch_norm, "bn_after_relu": after}
        settings |= {"init": sigma if at["init"] == "σ" else at["init"], "augment": AUGMENT[at["augment"]]}
        return spaced(make(settings))

    def move(self, **values):
        """Move controls together; ``changed`` is called once."""
        self._quiet = True
        for name, value in values.items():
            self.widgets[name].value = value
        self._quiet = False
        self.changed()

    def reset(self):
        """Move all controls back to where they stood at first."""
        e = self.start
        first = {name: getattr(e, name) for name in self.widgets if hasattr(e, name)}
        self.move(**first | {"hidden": _listed(e.hidden), "batch_norm": "none", "sigma": 0.01, "augment": "none"})

    def _moved(self, change):
        self.widgets["sigma"].disabled = self.widgets["init"].value != "σ"
        if not self._quiet:
            self.changed()


def _rounded(value):
    """Return a number as a slider shows it: logarithmic ones stand at 0.00501187..."""
    return float(f"{value:.2g}") if isinstance(value, float) else value


def _listed(hidden):
    return ", ".join(map(str, hidden))


def described(experiment, start):
    """Return in what an experiment differs from another one, as people write it: "λ = 0.1, batch_norm"."""
    ours, theirs = departures(experiment), departures(start)
    parts = []
    for name in sorted(ours.keys() | theirs.keys()):
        value = getattr(experiment, name)
        if name == "log_every" or value == getattr(start, name):
            continue
        value = f"{value:.3g}" if isinstance(value, float) else value
        parts.append(f"{ {'l2': 'λ', 'eta_max': 'η max', 'eta_min': 'η min', 'init': 'σ'}.get(name, name) } = {value}")
    return ", ".join(parts) or "the course's setting"


def code(experiment):
    """Return the Python code of an experiment, to be run and stored elsewhere."""
    given = ", ".join(f"{name}={value!r}" for name, value in departures(experiment).items())
    return f"Experiment({given})"
