"""How the proxy's CPU time for a transaction grows with active sessions, with the size of results and with the depth of
pipelines: what is measured at growing levels, and the line that fits it best."""

import collections
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from harness.comparison import Comparison
from harness.contenders import NULL_RELAY, Pgleash
from harness.results import BRACKETS, cell, interval, reach, short, table
from harness.workloads import pipeline, result, select_row

NAMES = ("pgleash", NULL_RELAY.name)


@dataclass(frozen=True)
class Growth:
    """Something that grows; `workload` gives what is carried at one of its levels, `step` is what a slope refers to."""

    name: str
    title: str
    levels: tuple
    workload: Callable
    step: int
    unit: str

    def points(self, results, contender):
        """The levels that were measured, each with the CPU time in µs per transaction by round."""
        series = [(level, results.series(self.workload(level).name, contender, "cpu")) for level in self.levels]
        return [(level, costs) for level, costs in series if costs]

    def lines(self, results, contender):
        """Slope, in µs per step, and constant of the line that fits best, by the rounds that have one."""
        rounds = collections.defaultdict(list)
        for level, costs in self.points(results, contender):
            for number, cost in costs.items():
                if cost > 0:  # else it has no relative error
                    rounds[number].append((level / self.step, cost))
        return {number: fit(points) for number, points in rounds.items() if len(points) > 1}

    def difference(self, results):
        """The ratios of the contenders' slopes within a round; none where it is not certain which is steeper."""
        ours, theirs = (self.lines(results, contender) for contender in NAMES)
        pairs = [(ours[number][0], theirs[number][0]) for number in ours if number in theirs]
        least, most = interval([slope - floor for slope, floor in pairs]) or (0, 1)
        return [slope / floor for slope, floor in pairs] if (least > 0) == (most > 0) else []

    def formula(self, results, contender):
        """The line that fits best, in words."""
        line = list(zip(*self.lines(results, contender).values()))
        if not line:
            return "–"
        slope, constant = map(statistics.median, line)
        bounds = f" ({' to '.join(map(nanoseconds, reach(line[0])))})" if len(line[0]) > 1 else ""
        sign = "−" if slope < 0 else "+"
        return f"{short(constant)} µs {sign} {nanoseconds(abs(slope))} ns{bounds} per {self.unit}"


def fit(points):
    """Slope and constant of the line with the least relative squared error: without weights the largest level would
    decide alone."""
    weights = [1 / value**2 for _, value in points]
    mean_x, mean_y = (statistics.fmean(series, weights) for series in zip(*points))
    spread = sum(weight * (x - mean_x) ** 2 for weight, (x, _) in zip(weights, points))
    slope = sum(weight * (x - mean_x) * (y - mean_y) for weight, (x, y) in zip(weights, points)) / spread
    return slope, mean_y - slope * mean_x


def nanoseconds(microseconds):
    return short(1000 * microseconds).replace("-", "−")


GROWTHS = [
    Growth("sessions", "active sessions", tuple(2**n for n in range(9)), partial(select_row, "simple"), 1, "session"),
    Growth("size", "bytes in the result", tuple(10**n for n in range(1, 7)), result, 1000, "kB"),
    Growth("pipelining", "queries sent at once", (1, 2, 5, 10, 20, 50, 100, 200, 500), pipeline, 1, "query"),
]
CARRIED = [growth.workload(level) for growth in GROWTHS for level in growth.levels]
GROWTH = Comparison("growth", "make growth", "How the cost grows", [Pgleash(), NULL_RELAY], CARRIED, [])


HEAD = f"""# How the cost grows

{{}}

CPU time of the proxy for a transaction: a constant and a slope. Each of {{}} rounds has a line of its
own: here are the medians, and in brackets {BRACKETS}.
Where it isn't certain which slope is steeper, no ratio is shown. `make growth` writes this file.
"""


def document(_, results):
    """The lines as Markdown."""
    rows = []
    for growth in GROWTHS:
        ratio = cell(growth.difference(results)) if growth.difference(results) else "no difference shown"
        rows.append([growth.title, *[growth.formula(results, name) for name in NAMES], ratio])
    head = HEAD.format(results.note, len({number for number, *_ in results.values}))
    return [head, *table(["", *NAMES, f"slope of {NAMES[0]} ÷ {NAMES[1]}"], rows, ["---"] * 4)]
