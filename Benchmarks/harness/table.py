"""Writes results as Markdown: first whether the goals are held, then each figure of all contenders."""

from harness.contenders import HAProxy, NullRelay, PgBouncer, Pgleash
from harness.goals import judge, summary
from harness.idle import Idle
from harness.workloads import Bulk, Transactions

ABSENT = "–"
BRACKETS = "the range the true median is in, with 90 % and more"


def document(comparison, results):
    """The whole of it, in lines."""
    transactions, bulk, idle = map(comparison.workloads_of, (Transactions, Bulk, Idle))
    everybody, proxies = comparison.names, comparison.proxies
    yield f"# {comparison.title}"
    yield ""
    yield results.note
    yield ""
    yield f"{rounds(comparison, results)} `{comparison.target}` writes this"
    yield "file; the [README](../README.md) says how it measures and how to read it."
    yield from section("Goals", goals(comparison, results))
    yield from section(
        "CPU time of the proxy: pgleash relative to the others",
        [
            *ratios(comparison, results, transactions + bulk, "cpu", Pgleash.name, others_of(comparison)),
            *reach(comparison, results, transactions, "cpu"),
        ],
    )
    if NullRelay.name in comparison.proxies:
        for title, workloads, figure in (
            ("CPU time of the proxy", transactions + bulk, "cpu"),
            ("Transactions per second", transactions, "transactions/s"),
        ):
            yield from section(
                f"{title}: the null relay relative to PgBouncer and HAProxy, which is what is left to gain",
                ratios(comparison, results, workloads, figure, NullRelay.name, (PgBouncer.name, HAProxy.name)),
            )
    for title, workloads, contenders, figure in (
        ("CPU time of the proxy per transaction, µs", transactions, proxies, "cpu"),
        ("CPU time of the proxy per 100 MB, ms", bulk, proxies, "cpu"),
        ("Memory of an idle session, KiB", idle, proxies, "memory"),
        ("Transactions per second", transactions, everybody, "transactions/s"),
        ("Megabytes per second", bulk, everybody, "MB/s"),
        ("Latency, median, µs", transactions, everybody, "p50"),
        ("Latency, 99th percentile, µs", transactions, everybody, "p99"),
        ("Latency, 99.9th percentile, µs", transactions, everybody, "p99.9"),
    ):
        if workloads:
            yield from section(title, figures(comparison, results, workloads, contenders, figure))


def rounds(comparison, results):
    """What the figures are of."""
    counts = sorted({results.count(name) for name in comparison.titles} - {0})
    if counts == [1]:
        return "What a single round gave."
    count = " to ".join(map(str, sorted({counts[0], counts[-1]})))
    return f"Medians of {count} rounds, and in brackets {BRACKETS}. Ratios are taken within a round."


def section(title, rows):
    yield from ("", f"## {title}", "")
    yield from rows


def goals(comparison, results):
    judgements = judge(comparison.goals, results)
    yield f"{summary(judgements)}."
    yield ""
    yield from row("figure", "workload", "goal", "measured", "")
    yield from row(*["---"] * 5)
    for judgement in judgements:
        goal = judgement.goal
        verdict = (judgement.verdict if judgement.is_held else f"**{judgement.verdict}**") + judgement.doubt
        yield from row(goal.title, comparison.titles[judgement.workload], goal.text, cell(judgement.ratio), verdict)


def others_of(comparison):
    return [name for name in comparison.proxies if name != Pgleash.name]


def ratios(comparison, results, workloads, figure, contender, others):
    yield from header(f"÷ {other}" for other in others)
    for name in workloads:
        cells = [cell(results.ratio(name, contender, other, figure)) for other in others]
        yield from row(comparison.titles[name], *cells)


def reach(comparison, results, workloads, figure):
    """The least and the most of such medians over all these workloads."""
    cells = []
    for other in others_of(comparison):
        spreads = [results.ratio(name, Pgleash.name, other, figure) for name in workloads]
        medians = [spread.median for spread in spreads if spread is not None]
        cells.append(f"{short(min(medians))}–{short(max(medians))}" if medians else ABSENT)
    yield from row("least and most of the transactions' medians", *cells)


def figures(comparison, results, workloads, contenders, figure):
    yield from header(contenders)
    for name in workloads:
        cells = [cell(results.spread(name, contender, figure)) for contender in contenders]
        yield from row(comparison.titles[name], *cells)


def header(names):
    names = list(names)
    yield from row("", *names)
    yield from row("---", *["---:"] * len(names))


def row(*cells):
    yield f"| {' | '.join(cells)} |"


def cell(spread):
    if spread is None:
        return ABSENT
    if len(spread.values) == 1:
        return short(spread.median)
    return f"{short(spread.median)} ({'–'.join(map(short, spread.range))})"


def short(value):
    """Three digits of a number, and all of its whole part."""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{digits}f}"
