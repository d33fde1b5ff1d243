"""Figures of the reproduction document. Distances are in margins of each number, see ``verdicts``."""

from fnmatch import filter as matching

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from workbook.claims.quantities import quantity
from workbook.report.plots import LABELS, WIDTH, band, curve

VARIANTS = {"stated": ("o", "C0"), "coded": ("s", "C1"), "assigned": ("D", "0.55")}
COLORS = {"agrees": "C2", "explained": "C1", "cannot tell": "0.45", "differs": "#b00020"}
MOST = 48  # rows of one figure: a page
FAR = 4.5  # margins: what lies beyond is drawn here, with its distance


def margins(rows):
    """Return the margin of each row: its quantity's, or twice its reading error where that is more."""
    return np.maximum(rows["margin"], 2 * rows["error"]).to_numpy(float)


def off(rows, variant):
    """Return how far a variant's mean lies from each reported number and the half-width around it, in margins."""
    distance = (rows[f"{variant}_mean"] - rows["reported"]).to_numpy(float)
    return distance / margins(rows), rows[f"{variant}_half"].to_numpy(float) / margins(rows)


def differences(rows):
    """Return figures of at most MOST rows of ``table.rows`` each: what was measured minus what was reported.

    The grey band is the margin, a bar the interval in which one more draw would fall.
    """
    parts = np.array_split(np.arange(len(rows)), max(1, -(-len(rows) // MOST)))
    return [_differences(rows.iloc[part]) for part in parts]


def _differences(rows):
    height = 0.165 * len(rows) + 0.75
    space = {"left": 0.51, "right": 0.87, "top": 1 - 0.33 / height, "bottom": 0.42 / height}  # for the texts beside
    fig, ax = plt.subplots(figsize=(WIDTH, height), layout="none", gridspec_kw=space)
    ax.axvspan(-1, 1, color="0.9", lw=0)
    ax.axvline(0, color="0.5", lw=0.6)
    for (variant, style), shift in zip(VARIANTS.items(), (-0.17, 0.17, 0), strict=True):
        if rows[f"{variant}_n"].any():
            _bars(ax, *off(rows, variant), np.arange(len(rows)) + shift, variant, *style)
    above = None
    for y, row in enumerate(rows.itertuples()):
        write = {"y": y, "va": "center", "fontsize": 6.3, "transform": ax.get_yaxis_transform()}
        if row.experiment != above:
            ax.axhline(y - 0.5, color="0.85", lw=0.4, zorder=0, xmin=-1.4, xmax=1.33, clip_on=False)
            ax.text(-1.41, s=row.experiment, **write)
        ax.text(-0.98, s=row.head, **write | {"fontsize": 6.3 if len(row.head) < 36 else 5})
        ax.text(-0.03, s=row.printed, ha="right", **write)
        ax.text(1.03, s=row.verdict, color=COLORS.get(row.verdict, "black"), **write)
        if row.stated_values < row.stated_n:
            ax.text(0.01, s=f"{row.stated_values} of {row.stated_n} runs have a value", **write | {"fontsize": 5})
        above = row.experiment
    ax.set(ylim=(len(rows) - 0.5, -0.5), xlim=(-FAR - 0.5, FAR + 0.5), yticks=[], xticks=range(-4, 5, 2))
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("reproduced − reported, in margins", fontsize=7)
    ax.tick_params(labelsize=7)
    ax.legend(fontsize=7, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), borderpad=0, handletextpad=0)
    return fig


def _bars(ax, distance, half, y, label, marker, color):
    """Draw distances with their bars; those beyond FAR at the border, with their size."""
    inside, style = np.abs(distance) <= FAR, {"color": color, "ms": 2.6, "lw": 0.7}
    ax.errorbar(distance[inside], y[inside], xerr=np.nan_to_num(half[inside]), fmt=marker, label=label, **style)
    for x, at in zip(distance, y, strict=True):
        if abs(x) > FAR:  # never true of NaN
            ax.plot(np.sign(x) * FAR, at, ">" if x > 0 else "<", **style)
            where = {"x": np.sign(x) * (FAR - 0.15), "y": at, "ha": "right" if x > 0 else "left", "va": "center"}
            ax.text(s=f"{abs(x):.0f}", fontsize=5, color=color, **where)


def agreement(rows):
    """Draw how far each number as stated is from the reported one, in margins, over the reported one, by verdict."""
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9), sharey=True)
    for ax, unit, label in ((axes[0], "%", "accuracy / %"), (axes[1], "nats", "loss or cost / nats")):
        ax.axhspan(-1, 1, color="0.9", lw=0)
        ax.axhline(0, color="0.5", lw=0.6)
        for verdict, color in COLORS.items():
            these = rows[(rows["unit"] == unit) & (rows["verdict"] == verdict)]
            distance, half = off(these, "stated")
            style = {"fmt": "o", "ms": 2.8, "elinewidth": 0.5, "color": color}
            ax.errorbar(these["reported"], distance, np.nan_to_num(half), label=verdict, **style)
        ax.set_xlabel(f"Reported {label}")
        ax.set_yscale("symlog", linthresh=2, linscale=1.5)
    axes[1].set_xscale("log")
    axes[1].xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator(), major_formatter="{x:g}")
    axes[0].set_ylabel("Reproduced − reported, in margins")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(COLORS))
    return fig


def telling(entry, report, rows, results):
    """Return one of the figures that a claim file asks for: ``curves:`` or ``numbers:`` of some experiments."""
    names = [name for pattern in entry["experiments"] for name in matching(report.experiments, pattern)]
    if "curves" in entry:
        return _curves(entry["curves"], [report.experiments[name] for name in names], results)
    return _numbers(rows[(rows["quantity"] == entry["numbers"]) & rows["experiment"].isin(names)])


def _curves(name, experiments, results):
    """Draw curves of each experiment as stated and as coded, and the reported numbers as crosses."""
    columns = 2 if len(experiments) == 4 else min(3, len(experiments))
    lines = -(-len(experiments) // columns)
    fig, axes = plt.subplots(lines, columns, figsize=(WIDTH, 1.7 * lines + 0.4), squeeze=False)
    for ax in axes.flat[len(experiments) :]:
        ax.axis("off")
    for ax, claimed in zip(axes.flat, experiments, strict=False):
        for variant in ("stated", "coded"):
            runs = [run for [run] in results.get((claimed.name, variant), ())]
            for part, style in (("train", "-"), ("validation", "--")) if runs else ():
                x = np.array(runs[0].curves["update"]) / 1000
                label = f"{part.replace('train', 'training')}, {variant}"
                band(ax, x, curve(runs, f"{part}_{name}"), label, VARIANTS[variant][1], style)
        for number in claimed.numbers.values():
            if (update := _update(number.quantity.how, name, x[-1])) is not None:
                ax.plot(update, number.value, "x", color="black", label="reported", clip_on=False)
        ax.set_title(claimed.name, fontsize=8)
        ax.set(xlabel="Updates / 1000", yscale="linear" if name == "accuracy" else "log")
        ax.yaxis.set(major_locator=MaxNLocator(5), minor_locator=NullLocator(), major_formatter="{x:g}")
    for ax in axes[:, 0]:
        ax.set_ylabel(LABELS[name])
    shown = {label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    fig.legend(shown.values(), shown, loc="outside upper center", ncols=5, fontsize=7, handlelength=1.5)
    return fig


def _update(how, name, last):
    """Return at which update, in the unit of ``last``, a quantity stands in the panel of a curve; None for no place."""
    if how.get("score", how.get("curve")) not in (f"train_{name}", f"validation_{name}"):
        return None
    if "score" in how:
        return last
    return how["at"] * last if "at" in how else None


def _numbers(rows):
    """Draw one quantity of some experiments: reported as crosses, each variant with its prediction interval."""
    fig, ax = plt.subplots(figsize=(WIDTH, 2.4))
    x = np.arange(len(rows))
    for (variant, (marker, color)), shift in zip(VARIANTS.items(), (-0.15, 0.15, 0), strict=True):
        if rows[f"{variant}_n"].any():
            half = np.nan_to_num(rows[f"{variant}_half"])
            style = {"fmt": marker, "color": color, "ms": 4, "capsize": 2}
            ax.errorbar(x + shift, rows[f"{variant}_mean"], half, label=f"as {variant}", **style)
    ax.plot(x, rows["reported"], "x", color="black", label="reported", ms=6)
    what = quantity(rows["quantity"].iloc[0])
    ax.set_xticks(x, rows["experiment"], rotation=35, ha="right", fontsize=7)
    ax.set_ylabel(f"{what.head} / {what.unit}".capitalize())
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return fig
