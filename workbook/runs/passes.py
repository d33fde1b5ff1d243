"""Which runs are trained together: a queue that is handed out pass by pass, the most work first."""

import math
from collections import defaultdict

from workbook.runs.cost import flop, weights
from workbook.runs.experiment import shared


def most_together(experiment):
    """Return how many runs may share a pass: more would leave the processor's cache, or need too much memory."""
    if experiment.odd.bn_statistics == "set":
        return 3  # each needs 100 MB for the activations of the whole set
    return max(1, min(9, 6_000_000 // weights(experiment)))


class Queue:
    """The runs {key: run} that wait. Those that are ``alike`` take ``cost`` FLOP each; ``most`` of them share a pass.

    A result does not depend on the runs that it shared a pass with, so passes may be cut as it suits the cores.
    """

    def __init__(self, runs, alike=shared, cost=flop, most=most_together):
        groups = defaultdict(list)
        for key, run in runs.items():
            groups[alike(run)].append(key)
        self.groups = [(keys, cost(runs[keys[0]]), most(runs[keys[0]])) for keys in groups.values()]

    def __len__(self):
        return sum(len(keys) for keys, _, _ in self.groups)

    @property
    def work(self):
        """The FLOP of all runs that wait."""
        return sum(len(keys) * cost for keys, cost, _ in self.groups)

    def next(self, limit):
        """Take out the longest pass of at most ``limit`` FLOP, or a single run; return its keys and its FLOP."""

        def size(group):
            keys, cost, most = group
            most = max(1, math.ceil(min(most, limit / cost)))
            return math.ceil(len(keys) / math.ceil(len(keys) / most))  # of equal size but for the last

        group = max(self.groups, key=lambda group: size(group) * group[1])
        n, (keys, cost, most) = size(group), group
        self.groups.remove(group)
        if keys[n:]:
            self.groups.append((keys[n:], cost, most))
        return keys[:n], n * cost
