"""The figures, one style. Each function returns a matplotlib figure; nothing is shown or saved here."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

plt.style.use(Path(__file__).parent / "report.mplstyle")

WIDTH = 6.0  # inches: the text width of the report
LABELS = {"loss": "Loss / nats", "cost": "Cost / nats", "accuracy": "Accuracy / %", "eta": r"Rate $\eta$"}


def images(pixels, columns, titles=None):
    """Draw images (n, 3072) uint8 in CIFAR's order, ``columns`` in a row, with an optional title each."""
    rows = -(-len(pixels) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, rows * WIDTH / columns * (1.22 if titles else 1.0)))
    for index, ax in enumerate(np.ravel(axes)):
        ax.axis("off")
        if index < len(pixels):
            ax.imshow(np.reshape(pixels[index], (3, 32, 32)).transpose(1, 2, 0), interpolation="nearest")
            ax.set_title(titles[index] if titles else "", fontsize=8, pad=2)
    return fig


def band(ax, x, curves, label, color, style="-"):
    """Draw the mean of curves (n, L) over x (L,) and the range of the n around it."""
    curves = np.asarray(curves)
    ax.plot(x, curves.mean(axis=0), style, label=label, color=color)
    ax.fill_between(x, curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.2, linewidth=0)


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


def learning_curves(groups, quantities=("loss", "cost", "accuracy")):
    """Draw one row of panels for each named list of results and one column for each quantity, columns sharing axes."""
    shape = len(groups), len(quantities)
    fig, axes = plt.subplots(*shape, figsize=(WIDTH, 1.75 * shape[0] + 0.2), sharex=True, sharey="col", squeeze=False)
    for row, (name, results) in zip(axes, groups.items(), strict=True):
        for ax, quantity in zip(row, quantities, strict=True):
            training(ax, results, quantity)
        row[0].set_title(name, loc="left")
    for ax in axes[-1]:
        ax.set_xlabel("Updates / 1000")
    axes[0, -1].legend(loc="lower right")
    return fig


def small_multiples(groups, quantities, height=1.35, **shared):
    """Draw one column of panels for each named list of results and one row for each quantity, rows sharing axes.

    A quantity is one of LABELS; "eta" is the learning rate. shared: sharex, sharey as for plt.subplots.
    """
    shape, share = (len(quantities), len(groups)), {"sharex": True, "sharey": "row"} | shared
    fig, axes = plt.subplots(*shape, figsize=(WIDTH, height * shape[0] + 0.35), squeeze=False, **share)
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


def learning_rate(experiment):
    """Draw the learning rate of every update."""
    fig, ax = plt.subplots(figsize=(WIDTH, 1.5))
    ax.plot(np.arange(experiment.total_updates) / 1000, experiment.etas())
    ax.set(xlabel="Updates / 1000", ylabel=LABELS["eta"], xlim=(0, experiment.total_updates / 1000), ylim=(0, None))
    return fig


def search(rounds, best=None, metric="validation_accuracy"):
    """Draw the score over log lambda of named rounds of a search, in one picture, the best marked."""
    fig, ax = plt.subplots(figsize=(WIDTH, 2.7))
    for (name, results), marker in zip(rounds.items(), "os^Dvxp", strict=False):
        ax.plot(
            [r.experiment.l2 for r in results],
            [100 * r.scores[metric] for r in results],
            marker,
            label=name,
            ms=4,
        )
    if best is not None:
        ax.plot(best.experiment.l2, 100 * best.scores[metric], "o", ms=10, mfc="none", color="black", label="best")
    ax.set(xscale="log", xlabel=r"$\lambda$", ylabel="Validation accuracy / %")
    fig.legend(loc="outside right center")  # beside the axes: the points may lie anywhere
    return fig


def grid_of_losses(groups, columns):
    """Draw training and validation loss in one panel for each named list of results, all panels sharing axes."""
    rows = -(-len(groups) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, 1.75 * rows + 0.2), sharex=True, sharey=True)
    for ax, (name, results) in zip(np.ravel(axes), groups.items(), strict=True):
        training(ax, results, "loss")
        ax.set_title(name)
        ax.label_outer()
    for ax in np.atleast_2d(axes)[-1]:
        ax.set_xlabel("Updates / 1000")
    np.ravel(axes)[0].legend()
    return fig


def final_scores(series, xlabel):
    """Draw final losses and test accuracy of named rows of result lists over x, on a logarithmic x axis.

    series: {name: {x: results}}. Losses above 4 nats lie outside the panels.
    """
    names = {
        "train_loss": "Training loss / nats",
        "validation_loss": "Validation loss / nats",
        "test_accuracy": "Test accuracy / %",
    }
    fig, axes = plt.subplots(1, len(names), figsize=(WIDTH, 2.1))
    for ax, (score, label) in zip(axes, names.items(), strict=True):
        for (name, lists), marker in zip(series.items(), "os^D", strict=False):
            factor = 100 if "accuracy" in score else 1
            values = [factor * np.array([r.scores[score] for r in results]) for results in lists.values()]
            means = [v.mean() for v in values]
            spread = [
                [m - v.min() for m, v in zip(means, values, strict=True)],
                [v.max() - m for m, v in zip(means, values, strict=True)],
            ]
            ax.errorbar(list(lists), means, spread, marker=marker, label=name, capsize=2, ms=4)
        ax.set(xscale="log", xlabel=xlabel, ylabel=label)
        if "loss" in score and ax.get_ylim()[1] > 4:  # a diverged net would hide all others
            ax.set_ylim(
                0.9 * min(r.scores[score] for lists in series.values() for runs in lists.values() for r in runs), 4
            )
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(series))
    return fig


def depths(groups, columns=2):
    """Draw accuracies over lambda, one panel for each named table, the number of layers in colour; panels share axes.

    groups: {name: DataFrame of lambda, n_layers and val_accuracy, a fraction}.
    """
    rows = -(-len(groups) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, 1.7 * rows + 0.3), sharex=True, sharey=True, squeeze=False)
    for ax, (name, each) in zip(axes.flat, groups.items(), strict=False):
        dots = ax.scatter(
            each["lambda"], 100 * each["val_accuracy"], c=each["n_layers"], cmap="viridis", vmin=3, vmax=9
        )
        ax.set_title(name, fontsize=8)
    for ax in axes.flat[len(groups) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel("Validation accuracy / %")
    for ax in axes[-1]:
        ax.set_xlabel(r"$\lambda$")
    fig.colorbar(dots, ax=axes, label="Layers")
    return fig


def compared(groups, quantities, points=None):
    """Draw one panel for each quantity, two in a row: the training curves of named lists of results, mean and range.

    points: {quantity: [(update, value), ...]} of others, marked with crosses, accuracies in %.
    """
    fig, axes = plt.subplots(-(-len(quantities) // 2), 2, figsize=(WIDTH, 0.95 * len(quantities) + 0.3), sharex=True)
    for ax, quantity in zip(axes.flat, quantities, strict=True):
        for color, (name, results) in enumerate(groups.items()):
            x = np.array(results[0].curves["update"]) / 1000
            band(ax, x, curve(results, quantity if quantity == "eta" else f"train_{quantity}"), name, f"C{color}")
        for update, value in (points or {}).get(quantity, ()):
            ax.plot(update / 1000, value, "x", color="black", label="reported")
        ax.set_ylabel(LABELS[quantity])
    for ax in axes[-1]:
        ax.set_xlabel("Updates / 1000")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.flat[0].legend(unique.values(), unique.keys(), fontsize=7)
    return fig


def overview(networks, trials, sigmas, series):
    """Draw the result page's figure: learning curves, the search over lambda, the sensitivity to sigma.

    networks: {name: results}; trials: DataFrame with columns round, l2, validation_accuracy; sigmas (k,) and
    series {name: [results at each sigma]}.
    """
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(WIDTH, 2.4))
    for name, results in networks.items():
        x = np.array(results[0].curves["update"]) / 1000
        left.plot(x, curve(results, "validation_accuracy").mean(axis=0), label=name)
    left.set(xlabel="Updates / 1000", ylabel="Validation accuracy / %", ylim=(10, None), xlim=(0, x[-1]))
    for (name, each), marker in zip(trials.groupby("round", sort=False), "os^Dvxp", strict=False):
        middle.plot(each["l2"], 100 * each["validation_accuracy"], marker, ms=3, label=name)
    middle.set(xscale="log", xlabel=r"$\lambda$", ylabel="Validation accuracy / %")
    for (name, lists), marker in zip(series.items(), "os", strict=False):
        right.plot(
            sigmas,
            [100 * np.mean([r.scores["test_accuracy"] for r in runs]) for runs in lists],
            marker + "-",
            ms=4,
            label=name,
        )
    right.set(xscale="log", xlabel=r"$\sigma$", ylabel="Test accuracy / %", ylim=(5, None))
    for ax in (left, middle, right):  # above the axes, where no data are
        ax.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.45, 1), ncols=2, columnspacing=1, handlelength=1.2)
    return fig


def agreement(rows):
    """Draw reproduced over reported accuracies in %, with two standard deviations, by variant; rows of ``compare``."""
    accuracies = rows[rows["quantity"].str.contains("accuracy") & ~rows["quantity"].str.contains("bn_minus")]
    fig, ax = plt.subplots(figsize=(WIDTH, 3.2))
    for variant, marker, color in (("stated", "o", "C0"), ("coded", "s", "C1")):
        each = accuracies[accuracies["variant"] == variant]
        scale = np.where(each["unit"].str.startswith("%"), 1, 100)
        reported, bars = each["reported"].astype(float) * scale, 2 * each["sd"].fillna(0) * scale
        ax.errorbar(
            reported, each["mean"] * scale, bars, fmt=marker, color=color, ms=3.5, lw=0.8, label=f"as {variant}"
        )
    limits = 0, 1.05 * ax.get_xlim()[1]
    ax.plot(limits, limits, color="grey", lw=0.8, zorder=0)
    ax.set(xlabel="Reported accuracy / %", ylabel="Reproduced accuracy / %", xlim=limits, ylim=limits)
    ax.legend(loc="upper left")
    return fig
