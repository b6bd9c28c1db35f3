"""What `bench` and `tls` compare, what pgleash is to reach there, and the tables that show it."""

import collections
import statistics

from harness import contenders
from harness.comparison import Comparison, Goal
from harness.contenders import HAPROXY, NULL_RELAY, PGBOUNCER, STUNNEL, Pgleash
from harness.results import BRACKETS, bold, cell, row, short, summary, table
from harness.workloads import WORKLOADS, Workload, idle

ONE_CLIENT = ("simple-1", "extended-1", "prepared-1")
MANY_CLIENTS = tuple(f"{mode}-{clients}" for mode in ("simple", "extended", "prepared") for clients in (8, 64, 256))
TRANSACTIONS = ("simple-8", "simple-64", "prepared-8", "prepared-64")
OUT = ("copy-out", "small-rows")

BENCH = Comparison(
    *("bench", "make bench", "What the hop costs"),
    [contenders.DIRECT, Pgleash(), NULL_RELAY, PGBOUNCER, HAPROXY, contenders.SPLICING_HAPROXY],
    WORKLOADS,
    [
        Goal("CPU per transaction", "cpu", TRANSACTIONS, "at most", 1.05, NULL_RELAY),
        Goal("CPU per transaction", "cpu", TRANSACTIONS, "at most", 0.95, PGBOUNCER),
        Goal("CPU per transaction", "cpu", TRANSACTIONS, "at most", 0.80, HAPROXY),
        Goal("latency, median", "p50", ONE_CLIENT, "at most", 1.05, NULL_RELAY),
        Goal("latency, 99th percentile", "p99", ONE_CLIENT, "at most", 1.05, NULL_RELAY),
        Goal("transactions/s", "transactions/s", MANY_CLIENTS, "at least", 1.00, PGBOUNCER),
        Goal("transactions/s", "transactions/s", MANY_CLIENTS, "at least", 1.00, HAPROXY),
        Goal("CPU per 100 MB", "cpu", (*OUT, "copy-in"), "at most", 1.05, NULL_RELAY),
        Goal("CPU per 100 MB", "cpu", OUT, "below", 1.00, HAPROXY),
        Goal("CPU per connection", "cpu", ("connect",), "at most", 1.20, NULL_RELAY),
    ],
)

ENCRYPTIONS = (contenders.TO_SERVER, contenders.ON_BOTH_SIDES)
# Goals with TLS: the cost of the better of the others at most, so of each of them.
WITH_TLS = [
    ("CPU per transaction", ("simple-8", "prepared-8", "simple-64"), (PGBOUNCER, STUNNEL)),
    ("CPU per connection", ("connect",), (STUNNEL,)),
    ("CPU per 100 MB", ("copy-out", "copy-in"), (PGBOUNCER, STUNNEL)),
]
CARRIED = [workload for workload in WORKLOADS if any(workload.name in names for _, names, _ in WITH_TLS)]
TLS = Comparison(
    *("tls", "make tls-bench", "What TLS costs"),
    [Pgleash(), PGBOUNCER, STUNNEL],
    [
        *[workload.encrypted(encryption) for encryption in ENCRYPTIONS for workload in CARRIED],
        Workload("idle", "1,000 idle sessions", "idle", idle, rounds=1).encrypted(contenders.ON_BOTH_SIDES),
    ],
    [
        *[
            Goal(title, "cpu", tuple(f"{encryption.name}-{name}" for name in names), "at most", 1.00, other)
            for encryption in ENCRYPTIONS
            for title, names, others in WITH_TLS
            for other in others
        ],
        Goal("memory of an idle session", "memory", ("both-idle",), "at most", 1.00, PGBOUNCER),
    ],
)


def document(comparison, results):
    """The tables in Markdown: whether the goals are held, ratios within rounds, then each figure of all contenders."""
    transactions, bulk, idle = map(comparison.workloads_of, ("transactions", "bulk", "idle"))
    everybody = [contender.name for contender in comparison.contenders]
    proxies = [name for name in everybody if name != contenders.DIRECT.name]
    others = [name for name in proxies if name != "pgleash"]
    peers = (PGBOUNCER.name, HAPROXY.name)

    def section(title, workloads, figure, names, ours=None):
        """The figures of these contenders, or the ratios of one's to theirs."""
        rows = []
        for workload in workloads:
            spreads = [results.spread(workload.name, name, figure) for name in names]
            if ours:
                spreads = [results.ratio(workload.name, ours, name, figure) for name in names]
            rows.append([workload.title, *map(cell, spreads)])
        head = ["", *[f"÷ {name}" if ours else name for name in names]]
        return ["", f"## {title}", "", *table(head, rows)] if rows else []

    judged = comparison.judge(results)
    goals = [[*words, bold(verdict)] for *words, verdict in judged]
    cpu, rate = "CPU time of the proxy", "Transactions per second"
    gain = "the null relay relative to PgBouncer and HAProxy, which is what is left to gain"
    tables = [
        *["", "## Goals", "", f"{summary([row[-1] for row in judged])}.", ""],
        *table(["figure", "workload", "goal", "measured", ""], goals, ["---"] * 5),
        *section(f"{cpu}: pgleash relative to the others", transactions + bulk, "cpu", others, ours="pgleash"),
        row(["least and most of the transactions' medians", *[extremes(results, transactions, one) for one in others]]),
    ]
    if NULL_RELAY.name in proxies:
        tables += section(f"{cpu}: {gain}", transactions + bulk, "cpu", peers, ours=NULL_RELAY.name)
        tables += section(f"{rate}: {gain}", transactions, "transactions/s", peers, ours=NULL_RELAY.name)
    tables += section(f"{cpu} per transaction, µs", transactions, "cpu", proxies)
    tables += section(f"{cpu} per 100 MB, ms", bulk, "cpu", proxies)
    tables += section("Memory of an idle session, KiB", idle, "memory", proxies)
    tables += section(rate, transactions, "transactions/s", everybody)
    tables += section("Megabytes per second", bulk, "MB/s", everybody)
    for name, figure in (("median", "p50"), ("99th percentile", "p99"), ("99.9th percentile", "p99.9")):
        tables += section(f"Latency, {name}, µs", transactions, figure, everybody)
    head = [f"# {comparison.title}", "", results.note, "", f"{rounds(results)} `{comparison.target}` writes this"]
    return [*head, "file; the [README](../README.md) says how it measures and how to read it.", *tables]


def rounds(results):
    """The description of the figures."""
    counts = collections.Counter(workload for _, workload in {key[:2] for key in results.values}).values()
    least, most = min(counts), max(counts)
    if most == 1:
        return "What a single round gave."
    count = most if least == most else f"{least} to {most}"
    return f"Medians of {count} rounds, and in brackets {BRACKETS}. Ratios are taken within a round."


def extremes(results, workloads, other):
    """The smallest and the largest median of a ratio of CPU time over these workloads."""
    ratios = [results.ratio(workload.name, "pgleash", other, "cpu") for workload in workloads]
    medians = [statistics.median(ratio) for ratio in ratios if ratio]
    return f"{short(min(medians))}–{short(max(medians))}" if medians else cell([])
