"""How long notebooks train: "full", as the course asks; "quick", a second a network; "dry", to see that all runs."""

from dataclasses import dataclass, replace

from lib import data
from lib.choices import check_choice
from workbook.runs.experiment import Experiment


@dataclass(frozen=True)
class Shorter:
    """How a profile shortens the course's setting."""

    times: int  # lengths counted in updates are divided by this
    n_train: int  # at most so many training images, and a quarter as many to validate
    sample: int  # training images for the curves
    log_every: int  # fewer points on a curve by this factor, as scoring would take most of the time
    meaning: str  # for the reader


SHORTER = {
    "quick": Shorter(30, 10_000, 1_000, 2, "what helps in the end need not help yet"),
    "dry": Shorter(150, 1_000, 500, 3, "it only shows that everything runs"),
}
PROFILES = ("full", *SHORTER)


def profiled(experiment, profile):
    """Return the experiment as a profile runs it: as it is, or with fewer updates on fewer images.

    Raises ValueError for an unknown profile.
    """
    check_choice("profile", profile, PROFILES)
    if profile == "full":
        return experiment
    how = SHORTER[profile]
    lengths = ("n_s", "updates", "log_every")
    shorter = {name: max(1, value // how.times) for name in lengths if (value := getattr(experiment, name))}
    shorter["log_every"] *= how.log_every
    options = dict(experiment.schedule_options)
    if "every" in options:
        shorter["schedule_options"] = options | {"every": max(1, options["every"] // how.times)}
    fewer = {name: getattr(how, name) for name in ("n_train", "sample")}
    fewer = {name: min(getattr(experiment, name) or most, most) for name, most in fewer.items()}
    return replace(experiment, **shorter, **fewer)


def setting(profile, data_name):
    """Return the course's Experiment under one of the PROFILES on a data set ("auto", "cifar10", "standin").

    Raises ValueError for an unknown profile, data.DataError where the data cannot be had.
    """
    return profiled(Experiment(data=data.load(data_name).name), profile)


def caveat(profile, data_name):
    """Return what a reader must know before comparing the numbers with others; empty for CIFAR-10 at full length."""
    parts = ["stand-in images, not CIFAR-10"] if data.load(data_name).name == "standin" else []
    if how := SHORTER.get(profile):
        parts.append(
            f"{profile} profile: {how.times} times fewer updates, at most {how.n_train} training images; {how.meaning}"
        )
    return "; ".join(parts)
