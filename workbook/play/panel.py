"""What the panels of the playground share: how they are laid out, their buttons, and what is left without widgets."""

import html

import ipywidgets as widgets
from IPython.display import display

from workbook.play.background import Background

WITHOUT = (
    "This is a still picture: the controls answer in JupyterLab, where the notebook runs "
    "(<code>make lab</code>, then run its cells)."
)


class Panel:
    """A ``widget`` of controls and buttons beside ``picture`` and ``status``, while the ``background`` trains.

    A panel has a method ``start``, which trains anew with the controls as they stand.
    """

    def __init__(self):
        self.background = Background(self._failed)
        self.picture, self.status = widgets.HTML(), widgets.HTML()
        self.buttons = {"start": button("Start over", self.start), "stop": button("Stop", self.stop)}

    def lay_out(self, *controls):
        """Make the widget; each of the controls starts the training over when it is moved."""
        for each in controls:
            each.observe(lambda _: self.start(), "value")
        row = widgets.HBox(list(self.buttons.values()))
        self.widget = beside(widgets.VBox([*controls, row], layout={"width": "320px"}), self.picture, self.status)

    def stop(self):
        """End the training; what it has drawn stays."""
        self.background.stop()

    def still(self):
        """Return the picture as HTML."""
        return self.picture.value + self.status.value

    def _failed(self, sentence):
        self.status.value = note(f"<strong>{html.escape(sentence)}</strong>")


def button(text, pressed, **how):
    """Return a button that calls ``pressed`` without arguments."""
    made = widgets.Button(description=text, layout={"width": "auto", "margin": "0 4px 0 0"}, **how)
    made.on_click(lambda _: pressed())
    return made


def beside(controls, *right):
    """Return a widget with the controls on the left, the rest on the right, or below where there is little room."""
    right = widgets.VBox(right, layout={"flex": "1 1 420px", "min_width": "320px"})
    return widgets.HBox([controls, right], layout={"flex_flow": "row wrap", "width": "100%"})


def note(text):
    """Return a line under a panel, which screen readers read out when it changes."""
    return f'<div role="status" style="font-size:13px;line-height:1.4">{text}</div>'


def show(panel, seconds=3):
    """Show a panel, and what it has drawn after so many seconds to a viewer without widgets.

    That is a web page made of the executed notebook, say. JupyterLab shows the panel only, unless it does not trust the
    notebook, which has not been run then.
    """
    display(panel.widget)
    panel.background.wait(seconds)
    hide = "<style>.jp-LabShell .play-still, .jp-NotebookShell .play-still { display: none }</style>"
    still = f'{hide}<div class="play-still">{panel.still()}<p><em>{WITHOUT}</em></p></div>'
    display({"text/html": still, "text/plain": WITHOUT}, raw=True)
