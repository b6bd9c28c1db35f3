"""Writes results as Markdown: first whether the goals are held, then each figure of all contenders."""

from harness.contenders import CONTENDERS, Direct, Pgleash
from harness.goals import judge
from harness.workloads import WORKLOADS, Bulk, Transactions

TITLES = {workload.name: workload.title for workload in WORKLOADS}
TRANSACTIONS = [workload.name for workload in WORKLOADS if isinstance(workload, Transactions)]
BULK = [workload.name for workload in WORKLOADS if isinstance(workload, Bulk)]
NAMES = [contender.name for contender in CONTENDERS]
PROXIES = [name for name in NAMES if name != Direct.name]
OTHERS = [name for name in PROXIES if name != Pgleash.name]
ABSENT = "–"


def document(results):
    """The whole of it, in lines."""
    yield "# What the hop costs"
    yield ""
    yield results.note
    yield ""
    yield f"Medians of {len(results.rounds())} rounds, and in brackets the least and the most. Ratios are taken within"
    yield "a round. `make bench` writes this file; the [README](../README.md) says how it measures and how to read it."
    yield from section("Goals", goals(results))
    yield from section(
        "CPU time of the proxy: pgleash relative to the others", ratios(results, TRANSACTIONS + BULK, OTHERS, "cpu")
    )
    yield from section("CPU time of the proxy per transaction, µs", figures(results, TRANSACTIONS, PROXIES, "cpu"))
    yield from section("CPU time of the proxy per 100 MB, ms", figures(results, BULK, PROXIES, "cpu"))
    yield from section("Transactions per second", figures(results, TRANSACTIONS, NAMES, "transactions/s"))
    yield from section("Megabytes per second", figures(results, BULK, NAMES, "MB/s"))
    for figure, name in (("p50", "median"), ("p99", "99th percentile"), ("p99.9", "99.9th percentile")):
        yield from section(f"Latency, {name}, µs", figures(results, TRANSACTIONS, NAMES, figure))


def section(title, rows):
    yield from ("", f"## {title}", "")
    yield from rows


def goals(results):
    yield from row("figure", "workload", "goal", "measured", "")
    yield from row(*["---"] * 5)
    for judgement in judge(results):
        goal = judgement.goal
        verdict = judgement.verdict if judgement.is_held else f"**{judgement.verdict}**"
        yield from row(goal.title, TITLES[judgement.workload], goal.text, cell(judgement.ratio), verdict)


def ratios(results, workloads, others, figure):
    yield from header(f"÷ {other}" for other in others)
    for name in workloads:
        yield from row(TITLES[name], *[cell(results.ratio(name, Pgleash.name, other, figure)) for other in others])


def figures(results, workloads, contenders, figure):
    yield from header(contenders)
    for name in workloads:
        yield from row(TITLES[name], *[cell(results.spread(name, contender, figure)) for contender in contenders])


def header(names):
    names = list(names)
    yield from row("", *names)
    yield from row("---", *["---:"] * len(names))


def row(*cells):
    yield f"| {' | '.join(cells)} |"


def cell(spread):
    return ABSENT if spread is None else f"{short(spread.median)} ({short(spread.least)}–{short(spread.most)})"


def short(value):
    """Three digits of a number, and all of its whole part."""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{digits}f}"
