"""The two lengths of every notebook: "full", the course's setting, and "quick", to see that everything runs."""

from dataclasses import replace

from lib import data
from lib.choices import check_choice
from workbook.runs.experiment import Experiment

#: the quick profile divides lengths counted in updates by this, and takes at most QUICK_IMAGES training images
QUICK, QUICK_IMAGES = 150, 1000


def profiled(experiment, profile):
    """Return the experiment as a profile runs it: "full", as it is, or "quick", 150 times shorter on few images.

    Raises ValueError for an unknown profile.
    """
    check_choice("profile", profile, ("quick", "full"))
    if profile == "full":
        return experiment
    lengths = ("n_s", "updates", "log_every")
    shorter = {name: max(1, value // QUICK) for name in lengths if (value := getattr(experiment, name))}
    shorter["log_every"] *= 3  # else most of the time would go into scoring
    options = dict(experiment.schedule_options)
    if "every" in options:
        shorter["schedule_options"] = options | {"every": max(1, options["every"] // QUICK)}
    fewer = {"n_train": min(experiment.n_train or QUICK_IMAGES, QUICK_IMAGES), "sample": min(experiment.sample, 500)}
    return replace(experiment, **shorter, **fewer)


def setting(profile, data_name):
    """Return the course's Experiment under a profile ("quick", "full") on a data set ("auto", "cifar10", "standin").

    Raises ValueError for an unknown profile, data.DataError where the data cannot be had.
    """
    return profiled(Experiment(data=data.load(data_name).name), profile)


def caveat(profile, data_name):
    """Return what a reader must know before comparing the numbers with others; empty for CIFAR-10 at full length."""
    parts = ["stand-in images, not CIFAR-10"] if data.load(data_name).name == "standin" else []
    if profile == "quick":
        parts.append(f"quick profile: {QUICK} times fewer updates, at most {QUICK_IMAGES} training images")
    return "; ".join(parts)
