"""What only the programs of single student reports did: the fields ``odd`` of an Experiment."""

from dataclasses import dataclass

from workbook.runs.fields import setting, settle


@dataclass(frozen=True, kw_only=True)
class Oddities:
    """Departures from the course that somebody's program made, usually without saying so. The defaults are none."""

    skip: int = setting(0, int)  # 001: training images left out at the start of every epoch
    stages: tuple[tuple[float, float], ...] = setting((), {float: float})  # 001: (eta_max, l2) of runs that go on
    # from each other's weights; an eta_max of 0 stands for that of the experiment
    diverged_factor: float | None = setting(None, float, 1)  # 001: a cost above this times the first has diverged
    bn_from_zero: bool = setting(False, bool)  # 004: the running averages start at 0, not at the first minibatch's
    bn_statistics: str = setting("average", ("average", "set"))  # 002: in evaluation those of the whole set
    l2_half: bool = setting(False, bool)  # 004: the penalty is lambda / 2 * sum of squared weights
    frozen_biases: bool = setting(False, bool)  # the biases keep their initial values

    def __post_init__(self):
        settle(self, "odd.")
