"""How the proxy's CPU time for a transaction grows with active sessions, with the size of results and with the depth of
pipelines: what is measured at growing levels, and the line that fits it best."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy

from harness.contenders import NullRelay, Pgleash
from harness.table import row, short
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

    def line(self, results, contender):
        """Slope, in µs per step, and intercept of the line with the least relative squared error; None without points.

        Relative, since otherwise the largest level alone would decide."""
        points = self.points(results, contender)
        if len(points) < 2:
            return None
        levels = [level / self.step for level, _ in points]
        medians = numpy.array([spread.median for _, spread in points])
        return tuple(numpy.polyfit(levels, medians, 1, w=1 / medians))


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
    yield "CPU time of the proxy for a transaction: a constant and a slope. `make growth` writes this file."
    yield ""
    yield from row("", *NAMES)
    yield from row("---", *["---"] * len(NAMES))
    for growth in GROWTHS:
        yield from row(growth.title, *[formula(growth, results, contender) for contender in NAMES])


def formula(growth, results, contender):
    line = growth.line(results, contender)
    if line is None:
        return "–"
    slope, constant = line
    return f"{short(constant)} µs {'−' if slope < 0 else '+'} {nanoseconds(abs(slope))} per {growth.unit}"


def nanoseconds(microseconds):
    return f"{1000 * microseconds:.3g} ns" if microseconds < 1 else f"{short(microseconds)} µs"
