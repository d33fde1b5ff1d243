"""What only the programs of single student reports did: the fields ``odd`` of an Experiment."""

from dataclasses import dataclass

from workbook.runs.fields import integer, number, one_of, rates_and_penalties, setting, settle


@dataclass(frozen=True, kw_only=True)
class Oddities:
    """Departures from the course that somebody's program made, usually without saying so. The defaults are none."""

    skip: int = setting(0, integer(0))  # 001: training images left out at the start of every epoch
    stages: tuple[tuple[float, float], ...] = setting((), rates_and_penalties())  # 001: (eta_max, l2) of runs in
    # turn, each from the weights of the one before
    diverged_factor: float | None = setting(None, number(above=1))  # 001: a training cost above this many times the
    # first counts as diverged
    bn_from_zero: bool = False  # 004: the running averages start at 0, else at the first minibatch's statistics
    bn_statistics: str = setting("average", one_of(("average", "set")))  # 002: at evaluation those of the whole
    # "set", else the running "average"
    l2_half: bool = False  # 004: the penalty is lambda / 2 * sum of squared weights
    frozen_biases: bool = False  # the biases keep their initial values

    def __post_init__(self):
        settle(self, "odd.")
