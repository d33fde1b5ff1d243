"""The one progress bar of a call that trains."""

from collections import Counter

from tqdm import tqdm


class Progress:
    """Counts runs done, loaded, failed and diverged, and shows them with the best score so far."""

    def __init__(self, total, title, name=None, goal="maximize"):
        self.counts, self.stale, self.underway, self.scores = Counter(), 0, {}, []
        self.metric, self.better = name, max if goal == "maximize" else min
        look = "{desc}: {percentage:3.0f}% |{bar}| {n:.1f}/{total} [{elapsed}<{remaining}{postfix}]"
        self.bar = tqdm(total=total, desc=title, bar_format=look, mininterval=1, smoothing=0, delay=1)

    def note(self, outcome, loaded=False):
        """Count the outcome of a run, a Result or an exception, and return it."""
        failed = isinstance(outcome, Exception)
        self.counts["failed" if failed else "loaded" if loaded else "done"] += 1
        if not failed and outcome.diverged:
            self.counts["diverged"] += 1
        elif not failed and self.metric in outcome.scores:
            self.scores.append(outcome.scores[self.metric])
        self.bar.initial += loaded  # it says nothing of the time that the others take
        self.bar.set_postfix_str(str(self), refresh=False)
        self.partly(None, 0)
        return outcome

    def partly(self, job, runs):
        """Show how many runs, a fraction too, are done of a job that is under way."""
        self.underway[job] = runs
        settled = self.counts.total() - self.counts["diverged"]
        self.bar.update(settled + sum(list(self.underway.values())) - self.bar.n)

    def __str__(self):
        counts = ", ".join(f"{self.counts[name]} {name}" for name in ("done", "loaded", "failed", "diverged"))
        return counts + (f", best {self.metric} {self.better(self.scores):.4g}" if self.scores else "")
