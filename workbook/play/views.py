"""Part 3, of the network trained last: its templates, its mistakes, and what it says to a picture of one's own."""

import html
from types import SimpleNamespace

import ipywidgets as widgets
import numpy as np

from lib.data import CLASSES
from lib.nn.losses import softmax_cross_entropy_forward
from lib.nn.splits import Images
from workbook.play import chart, picture
from workbook.play.panel import note
from workbook.play.training import images

SHOWN = 20  # pictures in a tab


def probabilities(network, X):
    """Return what a network of one trial makes of images X (n, 3072): probabilities (n, 10) float32."""
    scores = network.forward(X, training=False)[0][0]
    _, (P, _) = softmax_cross_entropy_forward(scores, np.zeros(len(X), np.int64))
    return P


def templates(network):
    """Return what the units of the first layer look for, as pictures (units, 3072) uint8, SHOWN at most."""
    W = network.layers[0]["W"][0][:, :SHOWN].T
    low, high = W.min(axis=1, keepdims=True), W.max(axis=1, keepdims=True)
    return np.round(255 * (W - low) / np.maximum(high - low, 1e-12)).astype(np.uint8)


def confusion(labels, predicted):
    """Return how many images of each class (row) are taken for each class (column), (10, 10)."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, predicted), 1)
    return counts


class Views:
    """The panel ``widget``: four tabs that follow the network that ``live`` trained last."""

    def __init__(self, live):
        self.live, self.background, self.content = live, live.background, None
        self.templates, self.wrong, self.confusion, self.answer = (widgets.HTML() for _ in range(4))
        self.upload = widgets.FileUpload(
            accept="image/*", description="Choose a picture", tooltip="Choose a picture", layout={"width": "auto"}
        )
        self.upload.observe(self._uploaded, "value")
        tabs = [
            widgets.VBox([self.upload, self.answer], layout={"align_items": "flex-start"}),
            self.wrong,
            self.confusion,
            self.templates,
        ]
        titles = ["A picture of your own", "What it gets wrong", "Confusion", "Templates"]
        self.widget = widgets.Tab(tabs, titles=titles)
        self.answer.value = note("A PNG or JPEG of at most 20 MB; the network sees its middle in 32 × 32 pixels.")
        live.ended.append(self.update)
        if live.background.wait(20) and live.run.curves:
            self.update(live.run)

    def update(self, run):
        """Show a Run that has been trained."""
        sets = images(run.experiment)
        test, network = sets.test.take(1000), run.network
        P, labels = probabilities(network, test.batch(slice(None))), test.labels
        predicted = P.argmax(axis=1)
        wrong = np.flatnonzero(predicted != labels)
        wrong = wrong[np.argsort(-P[wrong, predicted[wrong]])][:SHOWN]  # the surest mistakes first
        said = [f"{CLASSES[predicted[i]]} {100 * P[i, predicted[i]]:.0f} %, is {CLASSES[labels[i]]}" for i in wrong]
        accuracy = f"{100 * np.mean(predicted == labels):.1f} % of {len(labels)} test images are right."
        self.wrong.value = note(f"{accuracy} Its surest mistakes:") + chart.pictures(test.raw(wrong), said)
        self.confusion.value = note(accuracy) + _table(confusion(labels, predicted))
        kinds = CLASSES if len(network.layers) == 1 else [f"unit {n + 1}" for n in range(SHOWN)]
        pictures = templates(network)
        text = "The weights of the first layer as pictures, each stretched to its own range."
        self.templates.value = note(text) + chart.pictures(pictures, kinds[: len(pictures)])
        self._decide()

    def still(self):
        """Return what all tabs show as HTML."""
        return self.wrong.value + self.confusion.value + self.templates.value

    def _uploaded(self, change):
        if change["new"]:
            self.content = bytes(change["new"][0]["content"])
            self._decide()

    def _decide(self):
        """Show what the network says to the picture."""
        run = self.live.run
        if self.content is None or run is None or run.network is None:
            return
        try:
            pixels = picture.read(self.content)
        except ValueError as error:
            self.answer.value = note(f"<strong>{html.escape(str(error))}</strong>")
            return
        train = images(run.experiment).train
        ours = SimpleNamespace(pixels=pixels[None], labels=np.zeros(1, np.uint8), per_file=1)
        (P,) = probabilities(run.network, Images(ours, np.arange(1), train.shift, train.scale).batch(slice(None)))
        best = int(P.argmax())
        text = note(f"The network says <strong>{CLASSES[best]}</strong>, with {100 * P[best]:.0f} %.")
        self.answer.value = text + _side_by_side(chart.pictures([pixels], ["what it sees"], 128), _bars(P))


def _side_by_side(*parts):
    return f'<div style="display:flex;flex-wrap:wrap;gap:16px">{"".join(parts)}</div>'


def _bars(P):
    """Return a bar for each class, the most probable first."""
    rows = [
        f'<div style="display:flex;gap:6px"><span style="width:80px;text-align:right">{CLASSES[k]}</span>'
        f'<span style="width:{200 * P[k]:.0f}px;background:{chart.COLORS[0]}"></span>{100 * P[k]:.1f} %</div>'
        for k in np.argsort(-P)
    ]
    return f'<div style="font-size:12px;line-height:1.5">{"".join(rows)}</div>'


def _table(counts):
    """Return a confusion matrix as an HTML table, darker where more images are."""
    head = "".join(f'<th scope="col" style="font-weight:normal">{name[:5]}</th>' for name in CLASSES)
    rows = []
    for name, row in zip(CLASSES, counts, strict=True):
        share = row / max(1, row.sum())
        cells = (f'<td style="background:rgba(47,134,214,{s:.2f})">{n}</td>' for n, s in zip(row, share, strict=True))
        rows.append(f'<tr><th scope="row" style="font-weight:normal;text-align:right">{name}</th>{"".join(cells)}</tr>')
    caption = "<caption>Rows: what the image is. Columns: what the network says.</caption>"
    table = f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    style = "font-size:12px;text-align:center;border-spacing:2px;line-height:1.6"
    return f'<table style="{style}">{caption}{table}</table>'
