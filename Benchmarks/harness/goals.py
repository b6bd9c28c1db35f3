"""What pgleash is to reach, as ratios to other contenders within one run, and whether it does."""

import operator
from dataclasses import dataclass

from harness.contenders import HAProxy, NullRelay, PgBouncer, Pgleash
from harness.results import Spread

RELATIONS = {"at most": operator.le, "below": operator.lt, "at least": operator.ge}


@dataclass(frozen=True)
class Goal:
    """What the ratio of pgleash's figure to another contender's has to be with each of the workloads."""

    title: str
    figure: str
    workloads: tuple
    relation: str
    limit: float
    other: str

    def is_held(self, ratio):
        return RELATIONS[self.relation](ratio, self.limit)

    @property
    def text(self):
        return f"{self.relation} {self.limit:.2f} × {self.other}"


@dataclass(frozen=True)
class Judgement:
    """What a goal's ratio was with one workload; None where it was not measured."""

    goal: Goal
    workload: str
    ratio: Spread | None

    @property
    def is_held(self):
        return self.ratio is not None and self.goal.is_held(self.ratio.median)

    @property
    def is_certain(self):
        """Whether more rounds would hardly change the verdict."""
        return self.ratio is None or self.ratio.is_certain(self.goal.is_held)

    @property
    def verdict(self):
        return "not measured" if self.ratio is None else "held" if self.is_held else "not held"

    @property
    def doubt(self):
        """What stands behind the verdict."""
        return "" if self.is_certain else " (not certain)"


TRANSACTIONS = ("simple-8", "simple-64", "prepared-8", "prepared-64")
ONE_CLIENT = ("simple-1", "extended-1", "prepared-1")
MANY_CLIENTS = tuple(f"{mode}-{clients}" for mode in ("simple", "extended", "prepared") for clients in (8, 64, 256))
OUT = ("copy-out", "small-rows")

GOALS = [
    Goal("CPU per transaction", "cpu", TRANSACTIONS, "at most", 1.05, NullRelay.name),
    Goal("CPU per transaction", "cpu", TRANSACTIONS, "at most", 0.95, PgBouncer.name),
    Goal("CPU per transaction", "cpu", TRANSACTIONS, "at most", 0.80, HAProxy.name),
    Goal("latency, median", "p50", ONE_CLIENT, "at most", 1.05, NullRelay.name),
    Goal("latency, 99th percentile", "p99", ONE_CLIENT, "at most", 1.05, NullRelay.name),
    Goal("transactions/s", "transactions/s", MANY_CLIENTS, "at least", 1.00, PgBouncer.name),
    Goal("transactions/s", "transactions/s", MANY_CLIENTS, "at least", 1.00, HAProxy.name),
    Goal("CPU per 100 MB", "cpu", (*OUT, "copy-in"), "at most", 1.05, NullRelay.name),
    Goal("CPU per 100 MB", "cpu", OUT, "below", 1.00, HAProxy.name),
    Goal("CPU per connection", "cpu", ("connect",), "at most", 1.20, NullRelay.name),
]


def judge(goals, results):
    """A judgement for each goal and workload."""
    return [
        Judgement(goal, workload, results.ratio(workload, Pgleash.name, goal.other, goal.figure))
        for goal in goals
        for workload in goal.workloads
    ]


def summary(judgements):
    """How many goals are held, and how many of these verdicts are not certain."""
    held = [judgement for judgement in judgements if judgement.is_held]
    missed = [judgement for judgement in judgements if not judgement.is_held and judgement.ratio is not None]
    parts = [f"{len(held)} of {len(judgements)} goals are held{doubtful(held)}"]
    if missed:
        parts.append(f"{len(missed)} are not held{doubtful(missed)}")
    if unmeasured := len(judgements) - len(held) - len(missed):
        parts.append(f"{unmeasured} were not measured")
    return "; ".join(parts)


def doubtful(judgements):
    count = sum(not judgement.is_certain for judgement in judgements)
    return f", {count} of these not certain" if count else ""
