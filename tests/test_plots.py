"""Figures show what they are given: means, ranges, intervals."""

from types import SimpleNamespace

import numpy as np
import pytest

from workbook.report import plots


@pytest.fixture(autouse=True)
def close():
    yield
    plots.plt.close("all")


def test_a_notebook_does_not_show_a_figure_twice():
    """At the end of a cell it shows what pyplot still holds, beside the value of the last line."""
    plots.plt.close("all")  # those of other tests
    plots.units({"s": np.zeros((3, 2))}, 1, columns=1)
    assert plots.plt.get_fignums() == []


def test_repeats_are_drawn_as_mean_and_range():
    """1, 2 and 6 over x = 0.1: mean 3, from 1 to 6."""
    _, ax = plots.plt.subplots()
    plots.over(ax, {"A": {0.1: [1, 2, 6], 1: [4, 4, 4]}}, xscale="log", xlabel="$x$")
    line, _, [bars] = ax.containers[0]
    assert list(line.get_xdata()) == [0.1, 1] and list(line.get_ydata()) == [3, 4]
    assert bars.get_segments()[0].tolist() == [[0.1, 1], [0.1, 6]]
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "$x$"


def test_differences_are_drawn_with_their_intervals():
    fig = plots.intervals({"wider": (2.0, 0.5), "one pair": (1.0, float("nan"))})
    line, _, [bars] = fig.axes[0].containers[0]
    assert list(line.get_xdata()) == [2, 1]
    assert bars.get_segments()[0][:, 0].tolist() == [1.5, 2.5] and bars.get_segments()[1][:, 0].tolist() == [1, 1]


def test_accuracy_curves_are_in_percent():
    curves = {"update": [0, 1000], "train_accuracy": [0.1, 0.5], "validation_accuracy": [0.1, 0.4], "eta": [0, 0.1]}
    fig = plots.small_multiples({"A": [SimpleNamespace(curves=curves)]}, ("accuracy", "eta"))
    train, validation = fig.axes[0].lines
    assert list(train.get_ydata()) == [10, 50] and list(validation.get_ydata()) == [10, 40]
    assert list(train.get_xdata()) == [0, 1] and list(fig.axes[1].lines[0].get_ydata()) == [0, 0.1]
