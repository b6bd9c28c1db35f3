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
        return self.ratio is not None and RELATIONS[self.goal.relation](self.ratio.median, self.goal.limit)

    @property
    def verdict(self):
        return "not measured" if self.ratio is None else "held" if self.is_held else "not held"


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
