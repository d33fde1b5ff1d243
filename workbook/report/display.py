"""What a notebook shows to the report: captioned figures and tables, sentences, a notice.

Everything looks right in JupyterLab (a caption names the label to cite) and carries in the metadata of
its own output what the report needs, so papermill keeps it and labels resolve across notebooks.
"""

import base64
import io
import math
import os
import re
import tempfile

import pandas as pd
from IPython.display import display

from workbook.runs import profiles, store

#: Where every numbered figure is also written as a file
FIGURES = store.REPORTS.parent / "figures"

TITLES = {"fig": "Figure", "tbl": "Table"}

#: The type of the output that carries recorded numbers
RECORD = "application/vnd.cifar10-workbook.record+json"

_notice = ""  # state of the kernel: one notebook, one notice


def setup(profile, data):
    """Return the course's Experiment under a profile, and show the notice if the numbers are not the real ones.

    Arguments:
        profile: ``"quick"`` or ``"full"``.
        data: ``"auto"``, ``"cifar10"`` or ``"standin"``.

    Raises:
        ValueError: an unknown profile.
        lib.data.DataError: the data set cannot be found or downloaded.
    """
    course = profiles.setting(profile, data)
    notice(profiles.caveat(profile, data))
    return course


def show_figure(fig, name, caption, *, alt=None, width=None):
    """Show a matplotlib figure with a caption and write it to ``figures/<name>.svg`` and ``.png``.

    The same figure gives the same bytes. The figure is closed.

    Arguments:
        fig: the matplotlib figure.
        name: lower-case letters, digits and hyphens; the figure is cited as ``@fig-<name>``.
        caption: Markdown; may hold ``$math$`` and citations.
        alt: what the picture shows, for readers who cannot see it; the caption by default.
        width: its width in the report, such as ``"70%"``; the figure's own size by default.

    Raises:
        ValueError: ``name`` holds other characters.
    """
    import matplotlib.pyplot as plt  # here, not above: tables and sentences do without

    _check(name)
    svg, png = _render(fig, name)
    for suffix, data in ((".svg", svg), (".png", png)):
        _write(FIGURES / f"{name}{suffix}", data)
    pixels = int(96 * fig.get_figwidth())
    plt.close(fig)  # or the inline backend would show it a second time
    # PNG beside SVG: JupyterLab does not trust papermill's outputs and hides their SVG
    data = {
        "image/svg+xml": svg.decode(),
        "image/png": base64.b64encode(png).decode(),
        "text/plain": alt or caption,
    }
    metadata = {"report": _item("fig", name, caption, alt=alt or caption, width=width)}
    display(data, metadata={**metadata, "image/png": {"width": pixels}}, raw=True)
    _show_caption("fig", name, caption)


def show_table(df, name, caption, *, formats=None, index=True):
    """Show a DataFrame with a caption.

    ``$math$`` in heads and cells is typeset, missing values are dashes, several header rows are kept.

    Arguments:
        df: the DataFrame.
        name: lower-case letters, digits and hyphens; the table is cited as ``@tbl-<name>``.
        caption: Markdown; may hold ``$math$`` and citations.
        formats: column to ``"{:.3f}"`` or to a function of one value.
        index: whether the index is shown; a named index becomes a column.

    Raises:
        ValueError: ``name`` holds other characters.
    """
    _check(name)
    if index and any(part is not None for part in df.index.names):
        df, index = df.reset_index(), False  # the index name is a column head, not a row of its own
    formatters = {column: _formatter(spec) for column, spec in (formats or {}).items()}
    how = {"index": index, "formatters": formatters, "na_rep": "–"}
    data = {"text/html": df.to_html(border=0, **how), "text/plain": df.to_string(**how)}
    _show_caption("tbl", name, caption)
    display(data, metadata={"report": _item("tbl", name, caption)}, raw=True)


def say(text):
    """Show Markdown that enters the report: sentences whose numbers are computed.

    Arguments:
        text: the Markdown.
    """
    display({"text/markdown": text, "text/plain": text}, raw=True)


def record(**numbers):
    """Show numbers and hand them to the sweep that runs this notebook; they do not enter the report.

    Arguments:
        numbers: name to number; one that is infinite or not a number says that the run diverged.

    Raises:
        TypeError: a value is no number.
    """
    values = {name: v.item() if hasattr(v, "item") else v for name, v in numbers.items()}
    if wrong := [name for name, v in values.items() if not isinstance(v, (int, float))]:
        raise TypeError(f"record takes numbers, not {wrong[0]}={numbers[wrong[0]]!r}")
    values = {name: v if math.isfinite(v) else None for name, v in values.items()}  # JSON knows no other numbers
    display({RECORD: values, "text/plain": ", ".join(f"{n} = {v}" for n, v in values.items())}, raw=True)


def notice(text):
    """Say on every page, and in every caption from here on, what these numbers are not.

    Arguments:
        text: one short sentence of Markdown; empty text shows nothing and ends an earlier notice.
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
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        fig.savefig(svg, format="svg", metadata={"Date": None})
        fig.savefig(png, format="png", dpi=200)
    return svg.getvalue(), png.getvalue()


def _write(path, data):
    """Write a file so that no reader, and no kill, ever meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(data)
    os.chmod(file.name, 0o644)  # temporary files are private by default
    os.replace(file.name, path)


def _formatter(spec):
    write = spec.format if isinstance(spec, str) else spec
    return lambda value: "–" if pd.api.types.is_scalar(value) and pd.isna(value) else write(value)


def _with_notice(caption):
    return f"{caption} *{_notice}*" if _notice else caption


def _item(kind, name, caption, **more):
    """Return what the report must know of a captioned figure or table."""
    more = {key: value for key, value in more.items() if value is not None}
    return {"label": f"{kind}-{name}", "caption": _with_notice(caption), **more}


def _show_caption(kind, name, caption):
    """Show the caption to the notebook's reader; the report takes it from the item's metadata."""
    label, caption = f"{kind}-{name}", _with_notice(caption)
    data = {
        "text/markdown": f"**{TITLES[kind]}** `@{label}` — {caption}",
        "text/plain": f"{TITLES[kind]} @{label}: {caption}",
    }
    display(data, metadata={"report": {"caption_of": label}}, raw=True)
