"""The figures, one style. Each function returns a matplotlib figure or draws into axes; nothing is shown or saved."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from lib.data import CLASSES

plt.style.use(Path(__file__).parent / "report.mplstyle")

WIDTH, _ = plt.rcParams["figure.figsize"]  # inches: the text width of the report
LABELS = {"loss": "Loss / nats", "cost": "Cost / nats", "accuracy": "Accuracy / %", "eta": r"Rate $\eta$"}
MARKERS = "os^Dvxp"


def subplots(*shape, **how):
    """Return (figure, axes) as plt.subplots, but closed: a notebook would show it a second time at the cell's end."""
    fig, axes = plt.subplots(*shape, **how)
    plt.close(fig)
    return fig, axes


def images(pixels, columns, titles=None):
    """Draw images (n, 3072) uint8 in CIFAR's order, ``columns`` in a row, with an optional title each."""
    rows = -(-len(pixels) // columns)
    fig, axes = subplots(rows, columns, figsize=(WIDTH, rows * WIDTH / columns * (1.22 if titles else 1.0)))
    for index, ax in enumerate(np.ravel(axes)):
        ax.axis("off")
        if index < len(pixels):
            ax.imshow(np.reshape(pixels[index], (3, 32, 32)).transpose(1, 2, 0), interpolation="nearest")
            ax.set_title(titles[index] if titles else "", fontsize=8, pad=2)
    return fig


def mistakes(trained, shown, n=20):
    """Draw the n surest mistakes of a TrainedNetwork among lib.nn.splits.Images: what each shows, and what it said."""
    wrong, said = trained.wrong(shown)[:n], trained.predict(shown)
    titles = [f"{CLASSES[shown.labels[index]]}\nnot {CLASSES[said[index]]}" for index in wrong]
    return images(shown.raw(wrong), 10, titles)


def confusion(table):
    """Draw ``tables.confusion``: of the images of each class, how many in a hundred were given to each class."""
    shares = 100 * table.to_numpy() / np.maximum(table.to_numpy().sum(axis=1, keepdims=True), 1)
    fig, ax = plt.subplots(figsize=(0.8 * WIDTH, 0.7 * WIDTH))
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for (row, column), share in np.ndenumerate(shares):
        color = "white" if share > 50 else "black"
        ax.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=7, color=color)
    ax.set_xticks(range(len(table)), table.columns, rotation=45, ha="right")
    ax.set_yticks(range(len(table)), table.index)
    ax.set(xlabel="Predicted", ylabel="Class")
    return fig


def band(ax, x, curves, label, color, style="-"):
    """Draw the mean of curves (n, L) over x (L,) and the range of the n around it."""
    curves = np.asarray(curves)
    ax.plot(x, curves.mean(axis=0), style, label=label, color=color)
    ax.fill_between(x, curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.2, linewidth=0)


def over(ax, series, **labels):
    """Draw named rows of repeated values, {name: {x: values (n,)}}: the mean, and a bar from the lowest to the highest.

    Where the x are integers, they are marked, and the series are drawn side by side. labels: as for ``ax.set``.
    """
    for index, ((name, row), marker) in enumerate(zip(series.items(), MARKERS, strict=False)):
        values = [np.asarray(each, float) for each in row.values()]
        means = np.array([v.mean() for v in values])
        bars = [means - [v.min() for v in values], [v.max() for v in values] - means]
        x = np.array(list(row))
        if x.dtype.kind == "i":
            ax.set_xticks(x)
            x = x + 0.06 * (index - (len(series) - 1) / 2)
        ax.errorbar(x, means, bars, marker=marker, label=name, capsize=2, ms=4)
    ax.set(**labels)


def panels_over(panels, xlabel, log=(), columns=2, sharey=False):
    """Draw ``over`` in panels, {ylabel: {name: {x: values}}}; log: the ylabels with a logarithmic axis."""
    rows = -(-len(panels) // columns)
    size = (WIDTH, 1.5 * rows + 0.6)
    fig, axes = subplots(rows, columns, figsize=size, squeeze=False, sharex=True, sharey=sharey)
    for ax, (ylabel, series) in zip(axes.flat, panels.items(), strict=True):
        over(ax, series, ylabel=ylabel, yscale="log" if ylabel in log else "linear")
    for ax in axes[-1]:
        ax.set_xlabel(xlabel)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return fig


def intervals(effects, xlabel="Difference in test accuracy / points"):
    """Draw named differences (mean, half-width), as ``tables.difference`` returns them, one below the other."""
    fig, ax = subplots(figsize=(WIDTH, 0.24 * len(effects) + 0.6))
    means, halves = np.array(list(effects.values()), float).T
    ax.axvline(0, color="grey", lw=0.8)
    ax.errorbar(means, list(effects), xerr=np.nan_to_num(halves), fmt="o", ms=4, capsize=2)
    ax.invert_yaxis()
    ax.set_xlabel(xlabel)
    return fig


def units(panels, limit, columns=3):
    """Draw the histogram of every column of named arrays {title: (n, d)} within ±limit, all panels sharing axes."""
    rows = -(-len(panels) // columns)
    fig, axes = subplots(rows, columns, figsize=(WIDTH, 1.4 * rows), sharex=True, sharey=True, squeeze=False)
    for ax, (title, values) in zip(axes.flat, panels.items(), strict=True):
        for unit in values.T:
            ax.hist(unit, np.linspace(-limit, limit, 61), density=True, histtype="step", color="C0", alpha=0.3, lw=0.6)
        ax.set_title(title, fontsize=8)
        ax.set_ylim(0, 1.3)
    for ax in axes[:, 0]:
        ax.set_ylabel("Density")
    return fig


def curve(results, name):
    """Return one curve of several results as an array (n, L); accuracies in %."""
    return np.array([r.curves[name] for r in results]) * (100 if name.endswith("accuracy") else 1)


def training(ax, results, quantity):
    """Draw training and validation curves of repeats, mean and range, over thousands of updates."""
    x = np.array(results[0].curves["update"]) / 1000
    for part, color, style in (("train", "C0", "-"), ("validation", "C1", "--")):
        band(ax, x, curve(results, f"{part}_{quantity}"), part, color, style)
    ax.set_ylabel(LABELS[quantity])
    ax.set_xlim(0, x[-1])


def small_multiples(groups, quantities, height=1.35, **shared):
    """Draw one column of panels for each named list of results and one row for each quantity, rows sharing axes.

    A quantity is one of LABELS; "eta" is the learning rate. shared: sharex, sharey as for plt.subplots.
    """
    shape, share = (len(quantities), len(groups)), {"sharex": True, "sharey": "row"} | shared
    fig, axes = subplots(*shape, figsize=(WIDTH, height * shape[0] + 0.35), squeeze=False, **share)
    for index, (name, results) in enumerate(groups.items()):
        column = axes[:, index]
        for ax, quantity in zip(column, quantities, strict=True):
            if quantity == "eta":
                ax.plot(np.array(results[0].curves["update"]) / 1000, results[0].curves["eta"], color="C2")
            else:
                training(ax, results, quantity)
            ax.set_ylabel(LABELS[quantity] if share["sharey"] or index == 0 else "")
            if share["sharey"]:
                ax.label_outer()
        column[0].set_title(name, fontsize=8)
        column[-1].set_xlabel("Updates / 1000")
    axes[0, 0].legend(fontsize=7)
    return fig


def side_by_side(panels, name="validation_accuracy", ylabel="Validation accuracy / %"):
    """Draw one curve of several networks in each panel, mean and range: {title: {name: results}}; shared axes."""
    fig, axes = subplots(1, len(panels), figsize=(WIDTH, 2.2), sharey=True, squeeze=False)
    for ax, (title, groups) in zip(axes[0], panels.items(), strict=True):
        for index, (label, results) in enumerate(groups.items()):
            band(ax, np.array(results[0].curves["update"]) / 1000, curve(results, name), label, f"C{index}")
        ax.set(title=title, xlabel="Updates / 1000")
    axes[0, 0].set_ylabel(ylabel)
    axes[0, 0].legend(fontsize=7)
    return fig


def search(rounds, best=None):
    """Draw training and validation accuracy over lambda of named rounds of a search, the best validation one marked."""
    fig, ax = subplots(figsize=(WIDTH, 2.7))
    for index, ((name, results), marker) in enumerate(zip(rounds.items(), MARKERS, strict=False)):
        x, style = [r.experiment.l2 for r in results], {"ls": "", "marker": marker, "ms": 4, "color": f"C{index}"}
        ax.plot(x, [100 * r.scores["validation_accuracy"] for r in results], label=f"{name}, validation", **style)
        ax.plot(x, [100 * r.scores["train_accuracy"] for r in results], label=f"{name}, training", mfc="none", **style)
    if best is not None:
        y = 100 * best.scores["validation_accuracy"]
        ax.plot(best.experiment.l2, y, "o", ms=10, mfc="none", color="black", label="best")
    ax.set(xscale="log", xlabel=r"$\lambda$", ylabel="Accuracy / %")
    fig.legend(loc="outside right center")  # beside the axes: the points may lie anywhere
    return fig


def overview(networks, trials, sigmas, series):
    """Draw the result page's figure: learning curves, the search over lambda, the sensitivity to sigma.

    networks: {name: results}; trials: DataFrame with columns round, l2, validation_accuracy; sigmas (k,) and
    series {name: [results at each sigma]}.
    """
    fig, (left, middle, right) = subplots(1, 3, figsize=(WIDTH, 2.4))
    for name, results in networks.items():
        x = np.array(results[0].curves["update"]) / 1000
        left.plot(x, curve(results, "validation_accuracy").mean(axis=0), label=name)
    left.set(xlabel="Updates / 1000", ylabel="Validation accuracy / %", ylim=(10, None), xlim=(0, x[-1]))
    for (name, each), marker in zip(trials.groupby("round", sort=False), MARKERS, strict=False):
        middle.plot(each["l2"], 100 * each["validation_accuracy"], marker, ms=3, label=name)
    middle.set(xscale="log", xlabel=r"$\lambda$", ylabel="Validation accuracy / %")
    accuracies = {
        name: {s: [100 * r.scores["test_accuracy"] for r in runs] for s, runs in zip(sigmas, lists, strict=True)}
        for name, lists in series.items()
    }
    over(right, accuracies, xscale="log", xlabel=r"$\sigma$", ylabel="Test accuracy / %", ylim=(5, None))
    for ax in (left, middle, right):  # above the axes, where no data are
        ax.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.45, 1), ncols=2, columnspacing=1, handlelength=1.2)
    return fig
