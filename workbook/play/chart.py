"""Line charts and rows of pictures as HTML for a widget: written in a millisecond, right on light and dark themes.

Text and axes take the page's own colour. The lines' colours are bright enough for black and dark enough for white.
"""

import base64
import html
import io
import math
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator
from PIL import Image

COLORS = ("#2f86d6", "#e2701e", "#1e9e77", "#c860a8", "#8a79e0", "#b58900")
WIDTH, HEIGHT = 300, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 20, 36  # margins


@dataclass
class Line:
    """One line of a chart: x and y of the same length, and how it is drawn; ``title`` is shown on hover."""

    x: list
    y: list
    color: str = COLORS[0]
    dashed: bool = False
    pale: bool = False
    marked: bool = False  # a mark at each point
    title: str = ""


def chart(title, lines, *, xlabel="Updates", log_x=False, log_y=False, low=None, high=None, xs=None, mark=None):
    """Return an SVG of lines, with its title above the axes.

    low, high: limits of y that are kept unless the lines go beyond them; without them, those of the lines. xs: limits
    of x. mark: an x at which a vertical line is drawn. Points that are not finite, or not positive on a logarithmic
    axis, are left out.
    """
    points = [_finite(line, log_x, log_y) for line in lines]
    every = np.concatenate([p for p in points if len(p)] or [np.array([[1.0, 1.0]])])
    (x0, x1), (y0, y1) = xs or _limits(every[:, 0], log_x), _limits(every[:, 1], log_y)
    y0, y1 = min(y0, low if low is not None else y0), max(y1, high if high is not None else y1)
    across = _scale(x0, x1, LEFT, WIDTH - RIGHT, log_x)
    up = _scale(y0, y1, HEIGHT - BOTTOM, TOP, log_y)
    drawn = [_axes(title, xlabel, _ticks(x0, x1, log_x, 5), _ticks(y0, y1, log_y, 5), across, up)]
    if mark is not None and x0 <= mark <= x1:
        at = across(mark)
        drawn.append(f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="currentColor" stroke-dasharray="2 3"/>')
    drawn += [_path(line, across(p[:, 0]), up(p[:, 1])) for line, p in zip(lines, points, strict=True) if len(p)]
    label = html.escape(title, quote=True)
    return (
        f'<svg class="play-chart" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="width:100%;max-width:{1.5 * WIDTH:.0f}px;font:11px sans-serif;color:inherit" fill="none">'
        + "".join(drawn)
        + "</svg>"
    )


def row(*parts):
    """Return charts side by side, as many as fit, all of one size."""
    columns = "repeat(auto-fit,minmax(230px,1fr))"
    return f'<div style="display:grid;grid-template-columns:{columns};gap:4px">' + "".join(parts) + "</div>"


def legend(entries):
    """Return a line of text for each (colour, dashed, text); the page's own colour stands for pale lines."""

    def sample(color, dashed):
        dash = ' stroke-dasharray="5 3"' if dashed else ""
        dash += ' stroke-opacity=".35"' if color == "currentColor" else ""
        path = f'<path d="M0 5H26" stroke="{color}" stroke-width="2"{dash}/>'
        return f'<svg width="30" height="10" aria-hidden="true">{path}</svg>'

    lines = (f"<div>{sample(color, dashed)} {html.escape(text)}</div>" for color, dashed, text in entries)
    return f'<div style="font-size:13px;line-height:1.4">{"".join(lines)}</div>'


def pictures(pixels, titles, size=64):
    """Return pictures (n, 3072) uint8 in CIFAR's order, or (n, h, w) in grey, with a title under each."""
    cells = []
    for each, title in zip(pixels, titles, strict=True):
        each = each.reshape(3, 32, 32).transpose(1, 2, 0) if each.ndim == 1 else each
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(each)).save(stream, "PNG")
        source = base64.b64encode(stream.getvalue()).decode()
        title = html.escape(title)
        cells.append(
            f'<figure style="margin:2px;width:{size + 20}px;text-align:center;font-size:11px;line-height:1.2">'
            f'<img alt="{title}" src="data:image/png;base64,{source}" '
            f'style="width:{size}px;height:{size}px;image-rendering:pixelated"><figcaption>{title}</figcaption></figure>'
        )
    return '<div style="display:flex;flex-wrap:wrap">' + "".join(cells) + "</div>"


def _finite(line, log_x, log_y):
    """Return the points (n, 2) of a line that can be drawn."""
    points = np.column_stack([np.asarray(line.x, float), np.asarray(line.y, float)])
    keep = np.isfinite(points).all(axis=1)
    for axis, log in enumerate((log_x, log_y)):
        if log:
            keep &= points[:, axis] > 0
    return points[keep]


def _limits(values, log):
    low, high = float(values.min()), float(values.max())
    if low == high:
        return (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    return low, high


def _scale(low, high, start, end, log):
    """Return the function from values to pixels."""
    if log:
        low, high = math.log10(low), math.log10(high)
    factor = (end - start) / (high - low)
    return lambda value: start + factor * ((np.log10(value) if log else value) - low)


def _ticks(low, high, log, most):
    locator = LogLocator(numticks=most) if log else MaxNLocator(most, integer=high - low >= 5)
    slack = 1e-9 * (high - low)
    return [t for t in locator.tick_values(low, high) if low - slack <= t <= high + slack]


def _axes(title, xlabel, xticks, yticks, across, up):
    """Return the title, the two axes and a faint line at each tick of y."""
    bottom = HEIGHT - BOTTOM
    parts = [f'<text x="{LEFT}" y="13" fill="currentColor" font-weight="bold">{html.escape(title)}</text>']
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 5}" fill="currentColor" text-anchor="middle">{xlabel}</text>')
    for tick in yticks:
        y = up(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".15"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" fill="currentColor" text-anchor="end">{tick:.4g}</text>')
    for tick in xticks:
        x = across(tick)
        parts.append(f'<path d="M{x:.1f} {bottom}v4" stroke="currentColor" stroke-opacity=".6"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" fill="currentColor" text-anchor="middle">{tick:.4g}</text>')
    parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".6"/>')
    return "".join(parts)


def _path(line, x, y):
    corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    how = f'stroke="{line.color}" stroke-width="{1.2 if line.pale else 2}"'
    how += ' stroke-opacity=".35"' if line.pale else ""
    how += ' stroke-dasharray="5 3"' if line.dashed else ""
    drawn = f'<polyline points="{corners}" {how}/>'
    if line.marked or len(x) == 1:
        dots = zip(x, y, strict=True)
        opacity = ' fill-opacity=".35"' if line.pale else ""
        drawn += "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5" fill="{line.color}"{opacity}/>' for a, b in dots)
    return f"<g>{drawn}<title>{html.escape(line.title)}</title></g>"
