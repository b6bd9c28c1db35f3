"""How the proxy's CPU time for a transaction grows with active sessions, with the size of results and with the depth of
pipelines: what is measured at growing levels, and the line that fits it best."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from harness.contenders import NullRelay, Pgleash
from harness.results import Spread
from harness.table import BRACKETS, cell, row, short
from harness.workloads import pipeline, result, select_row

NAMES = (Pgleash.name, NullRelay.name)


@dataclass(frozen=True)
class Growth:
    """Something that grows; `workload` gives what is carried at one of its levels, `step` is what a slope refers to."""

    name: str
    title: str
    levels: tuple
    workload: Callable
    step: int
    unit: str

    def workloads(self):
        return [self.workload(level) for level in self.levels]

    def points(self, results, contender):
        """The levels that were measured, with the spread of µs of CPU time per transaction."""
        spreads = [results.spread(self.workload(level).name, contender, "cpu") for level in self.levels]
        return [(level, spread) for level, spread in zip(self.levels, spreads) if spread is not None]

    def lines(self, results, contender):
        """Slope, in µs per step, and constant of the line that fits best, by the rounds that have one."""
        lines = {}
        for number in results.rounds():
            costs = [results.value(workload.name, contender, "cpu", number) for workload in self.workloads()]
            points = [(level / self.step, cost) for level, cost in zip(self.levels, costs) if cost]
            if len(points) > 1:
                lines[number] = fit(points)
        return lines

    def line(self, results, contender):
        """The spreads of both over the rounds; None where no round has a line."""
        lines = self.lines(results, contender).values()
        return tuple(Spread.of(series) for series in zip(*lines)) or None

    def difference(self, results):
        """The spread of the ratio of the contenders' slopes within a round; None where it isn't certain which is
        steeper."""
        ours, theirs = (self.lines(results, contender) for contender in NAMES)
        pairs = [(ours[number][0], theirs[number][0]) for number in ours if number in theirs]
        differences = Spread.of([slope - floor for slope, floor in pairs])
        if differences is None or not differences.is_certain(lambda difference: difference > 0):
            return None
        return Spread.of([slope / floor for slope, floor in pairs])


def fit(points):
    """Slope and constant of the line with the least relative squared error: without weights the largest level would
    decide alone."""
    weights = [1 / value**2 for _, value in points]
    mean_x, mean_y = (statistics.fmean(series, weights) for series in zip(*points))
    spread = sum(weight * (x - mean_x) ** 2 for weight, (x, _) in zip(weights, points))
    slope = sum(weight * (x - mean_x) * (y - mean_y) for weight, (x, y) in zip(weights, points)) / spread
    return slope, mean_y - slope * mean_x


GROWTHS = [
    Growth(
        *("sessions", "active sessions", (1, 2, 4, 8, 16, 32, 64, 128, 256)),
        *(lambda level: select_row("simple", level), 1, "session"),
    ),
    Growth(
        *("size", "bytes in the result", (10, 100, 1000, 10_000, 100_000, 1_000_000)),
        *(lambda level: result(level, clients=8), 1000, "kB"),
    ),
    Growth(
        *("pipelining", "queries sent at once", (1, 2, 5, 10, 20, 50, 100, 200, 500)),
        *(lambda level: pipeline(level, clients=8), 1, "query"),
    ),
]


def document(results):
    """The lines as Markdown."""
    yield "# How the cost grows"
    yield ""
    yield results.note
    yield ""
    count = len(results.rounds())
    yield f"CPU time of the proxy for a transaction: a constant and a slope. Each of {count} rounds has a line of its"
    yield f"own: here are the medians, and in brackets {BRACKETS}."
    yield "Where it isn't certain which slope is steeper, no ratio is shown. `make growth` writes this file."
    yield ""
    yield from row("", *NAMES, f"slope of {NAMES[0]} ÷ {NAMES[1]}")
    yield from row("---", *["---"] * (len(NAMES) + 1))
    for growth in GROWTHS:
        formulas = [formula(growth, results, contender) for contender in NAMES]
        difference = growth.difference(results)
        yield from row(growth.title, *formulas, cell(difference) if difference else "no difference shown")


def formula(growth, results, contender):
    line = growth.line(results, contender)
    if line is None:
        return "–"
    slope, constant = line
    sign = "−" if slope.median < 0 else "+"
    reach = f" ({' to '.join(map(nanoseconds, slope.range))})" if len(slope.values) > 1 else ""
    return f"{short(constant.median)} µs {sign} {nanoseconds(abs(slope.median))} ns{reach} per {growth.unit}"


def nanoseconds(microseconds):
    return short(1000 * microseconds).replace("-", "−")
