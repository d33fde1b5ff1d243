"""What a notebook shows to the report: captioned figures and tables, sentences, a notice.

Everything looks right in JupyterLab and carries in the metadata of its own output what the report needs, so papermill
keeps it and labels resolve across notebooks.
"""

import base64
import io
import math
import re

import pandas as pd
from IPython.display import display

from workbook.runs import profiles

from .parameters import check_injected

TITLES = {"fig": "Figure", "tbl": "Table", "eq": "Equation", "sec": "Section"}

#: The type of the output that carries recorded numbers
RECORD = "application/vnd.cifar10-workbook.record+json"

#: JupyterLab's dark themes show figures with light and dark exchanged, unless they hold pictures: <image> in the SVG
DARK = """<style>body[data-jp-theme-light="false"] .jp-RenderedSVG img:not([src*="%3Cimage"]) {
filter: invert(0.93) hue-rotate(180deg) }</style>"""

_notice = ""  # state of the kernel: one notebook, one notice


def setup(profile, data):
    """Return the course's Experiment under a profile, and show a notice if the numbers are not the real ones.

    profile: "dry", "quick" or "full"; data: "auto", "cifar10" or "standin". Raises ReportError if papermill gave a
    parameter that the notebook does not have, ValueError for an unknown profile, lib.data.DataError if the data set
    cannot be found or downloaded.
    """
    check_injected()
    display({"text/html": DARK}, raw=True)
    course, caveat = profiles.setting(profile, data), profiles.caveat(profile, data)
    notice(caveat[:1].upper() + caveat[1:])
    return course


def show_figure(fig, name, caption, *, alt=None, width=None):
    """Show a matplotlib figure with a caption, and close it. The same figure gives the same bytes.

    name: lower-case letters, digits and hyphens, else ValueError is raised; the figure is cited as ``@fig-<name>`` or,
    so that it reads well in JupyterLab too, as ``[Figure](#fig-<name>)``. caption: Markdown, with ``$math$`` and
    citations. alt: what the picture shows, for readers who cannot see it; the caption by default. width: its width in
    the report, such as "70%"; the figure's own size by default.
    """
    import matplotlib.pyplot as plt  # here, not above: tables and sentences do without

    _check(name)
    svg, png = _render(fig, name)
    pixels = int(96 * fig.get_figwidth())
    plt.close(fig)  # or the inline backend would show it a second time
    # PNG beside SVG: JupyterLab does not trust papermill's outputs and hides their SVG
    data = {"image/svg+xml": svg.decode(), "image/png": base64.b64encode(png).decode(), "text/plain": alt or caption}
    item = _item("fig", name, caption, alt=alt or caption, width=width)
    display(data, metadata={"report": item, "image/png": {"width": pixels}}, raw=True)
    _show_caption("fig", name, item["caption"])


def show_table(df, name, caption, *, formats=None, index=True):
    """Show a DataFrame with a caption.

    ``$math$`` in heads and cells is typeset, missing values are dashes, several header rows are kept. name, caption: as
    for ``show_figure``, with ``@tbl-<name>`` and ``[Table](#tbl-<name>)``. formats: {column: "{:.3f}" or a function of
    one value}. index: whether the index is shown; a named index becomes a column.
    """
    _check(name)
    if index and any(part is not None for part in df.index.names):
        df, index = df.reset_index(), False  # the index name is a column head, not a row of its own
    formatters = {column: _formatter(spec) for column, spec in (formats or {}).items()}
    how = {"index": index, "formatters": formatters, "na_rep": "–"}
    data = {"text/html": df.to_html(border=0, **how), "text/plain": df.to_string(**how)}
    item = _item("tbl", name, caption)
    _show_caption("tbl", name, item["caption"])
    display(data, metadata={"report": item}, raw=True)


def say(text):
    """Show Markdown that enters the report: sentences whose numbers are computed."""
    display({"text/markdown": _linked(text), "text/plain": text}, raw=True)


def record(**numbers):
    """Show numbers and hand them to the sweep that runs this notebook; they do not enter the report.

    A number that is NaN or infinite says that the run diverged. Raises TypeError if a value is no number.
    """
    values = {name: v.item() if hasattr(v, "item") else v for name, v in numbers.items()}
    if wrong := [name for name, v in values.items() if not isinstance(v, (int, float))]:
        raise TypeError(f"record takes numbers, not {wrong[0]}={numbers[wrong[0]]!r}")
    text = ", ".join(f"{name} = {value:.4g}" for name, value in values.items())
    values = {name: v if math.isfinite(v) else None for name, v in values.items()}  # JSON has no NaN
    display({RECORD: values, "text/plain": text}, raw=True)


def notice(text):
    """Say on every page, and in every caption from here on, what these numbers are not.

    text: one short sentence of Markdown; an empty one shows nothing and ends an earlier notice.
    """
    global _notice
    _notice = " ".join(text.split())
    if _notice:
        data = {"text/markdown": f"**{_notice}**", "text/plain": _notice}
        display(data, metadata={"report": {"notice": _notice}}, raw=True)


def _check(name):
    if not re.fullmatch("[a-z0-9-]+", name):
        raise ValueError(f"name {name!r}: lower-case letters, digits and hyphens only")


def _render(fig, name):
    """Return the figure as SVG and as PNG; no date and no random identifiers inside."""
    import matplotlib as mpl

    svg, png = io.BytesIO(), io.BytesIO()
    for line in fig.findobj(mpl.lines.Line2D):
        line.set_rasterized(len(line.get_xdata()) > 3000)  # a cloud of points would be megabytes of paths
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        fig.savefig(svg, format="svg", dpi=200, metadata={"Date": None})
        fig.savefig(png, format="png", dpi=200)
    return svg.getvalue(), png.getvalue()


def _linked(text):
    """Return Markdown in which ``@fig-cost`` is a link that reads well in JupyterLab; the report makes it a number."""
    return re.sub(
        r"@(fig|tbl|eq|sec)-([a-z0-9-]*[a-z0-9])", lambda m: f"[{TITLES[m[1]]} “{m[2]}”](#{m[1]}-{m[2]})", text
    )


def _formatter(spec):
    write = spec.format if isinstance(spec, str) else spec
    return lambda value: "–" if pd.api.types.is_scalar(value) and pd.isna(value) else write(value)


def _item(kind, name, caption, **more):
    """Return what the report must know of a captioned figure or table."""
    if _notice:
        caption = f"{caption} *{_notice}*"
    return {"label": f"{kind}-{name}", "caption": caption, **{k: v for k, v in more.items() if v is not None}}


def _show_caption(kind, name, caption):
    """Show the caption to the notebook's reader; the report takes it from the item's metadata."""
    data = {
        "text/markdown": f'<a id="{kind}-{name}"></a>**{TITLES[kind]} “{name}”:** {_linked(caption)}',
        "text/plain": f"{TITLES[kind]} {name}: {caption}",
    }
    display(data, metadata={"report": {"caption_of": f"{kind}-{name}"}}, raw=True)
