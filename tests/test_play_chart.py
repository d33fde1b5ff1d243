"""The charts of the playground are well-formed, and show what they are given."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from workbook.play.chart import Line, chart, legend, pictures


def polylines(svg):
    """Return the points (n, 2), in pixels, of each line of a chart that is well-formed."""
    root = ElementTree.fromstring(svg)
    found = [element.get("points") for element in root.iter() if element.tag.endswith("polyline")]
    return [np.array([pair.split(",") for pair in points.split()], float) for points in found]


def test_points_lie_where_their_values_are():
    (line,) = polylines(chart("Loss", [Line([0, 1, 2], [0, 1, 2])]))
    assert np.allclose(np.diff(line, axis=0)[0], np.diff(line, axis=0)[1], atol=0.2)
    assert line[0, 0] < line[-1, 0] and line[0, 1] > line[-1, 1]  # pixels count downwards
    (line,) = polylines(chart("Search", [Line([1e-4, 1e-3, 1e-2], [1, 2, 3])], log_x=True))
    assert np.allclose(np.diff(line[:, 0])[0], np.diff(line[:, 0])[1], atol=0.2)


def test_what_cannot_be_drawn_is_left_out():
    (line,) = polylines(chart("Loss", [Line([0, 1, 2, 3], [1, np.nan, np.inf, 2]), Line([0], [np.nan])]))
    assert len(line) == 2
    (line,) = polylines(chart("Gradient", [Line([1, 2, 3], [1, 0, 2])], log_y=True))
    assert len(line) == 2
    assert polylines(chart("Nothing yet", [])) == []


def test_text_is_escaped():
    svg = chart("a < b", [Line([0, 1], [0, 1], title="<script>")])
    assert "<script>" not in svg and polylines(svg)
    assert "<script>" not in legend([("red", False, "<script>")])


def test_ticks_lie_on_the_axis():
    svg = chart("Loss", [Line([0, 800], [0.3, 2.9])], low=0)
    values = [float(v) for v in re.findall(r'text-anchor="(?:end|middle)">([\d.]+)<', svg)]
    assert 3 <= len([v for v in values if v <= 2.9]) and max(values) == 800


def test_pictures_have_a_text_each():
    page = pictures(np.zeros((2, 3072), np.uint8), ["cat", 'a "dog"'])
    assert page.count("<img") == 2 and 'alt="cat"' in page and "&quot;dog&quot;" in page
