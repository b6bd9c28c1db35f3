"""Draws results as SVG files that follow their surroundings, light or dark."""

import io
import textwrap

import matplotlib
import numpy
from matplotlib import pyplot

from harness import growth as growths
from harness.contenders import Direct, NullRelay
from harness.workloads import Bulk, Transactions

# What is drawn, and what takes its place where the surroundings are dark.
PAPER, INK, QUIET, GRID = ("#ffffff", "#0d1117"), ("#1f2328", "#f0f6fc"), ("#59636e", "#9198a1"), ("#d8dee4", "#2a313a")
COLORS = {
    "pgleash": ("#1a7f37", "#3fb950"),
    "null relay": ("#57606b", "#9198a2"),
    "PgBouncer": ("#0969da", "#58a6ff"),
    "HAProxy": ("#cf222e", "#ff7b72"),
    "HAProxy splicing": ("#bc4c00", "#f0883e"),
}
MARKERS = {"pgleash": "o", "null relay": "s", "PgBouncer": "^", "HAProxy": "D", "HAProxy splicing": "v"}
PAIRS = [PAPER, INK, QUIET, GRID, *COLORS.values()]

matplotlib.use("svg")
matplotlib.rcParams.update(
    {
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "pgleash",  # the same names in each file
        "font.family": "sans-serif",
        "font.size": 11,
        "text.color": INK[0],
        "axes.labelcolor": INK[0],
        "axes.edgecolor": QUIET[0],
        "xtick.color": QUIET[0],
        "ytick.color": QUIET[0],
        "figure.facecolor": PAPER[0],
        "axes.facecolor": PAPER[0],
        "grid.color": GRID[0],
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


def draw_bench(comparison, results, folder):
    """CPU time relative to the null relay's, and throughput relative to the server alone."""
    proxies = [name for name in comparison.proxies if name != NullRelay.name]
    transactions, bulk = map(comparison.workloads_of, (Transactions, Bulk))
    dots(
        folder / "bench-cpu.svg",
        *(comparison.titles, results),
        "CPU time of the proxy, null relay = 1",
        [(name, "cpu") for name in transactions + bulk],
        *(proxies, NullRelay.name),
    )
    dots(
        folder / "bench-throughput.svg",
        *(comparison.titles, results),
        "Transactions or bytes per second, without a proxy = 1",
        [(name, "transactions/s") for name in transactions] + [(name, "MB/s") for name in bulk],
        *(comparison.proxies, Direct.name),
    )


def dots(path, titles, results, title, rows, contenders, base):
    """A line for each workload, on it the median of each contender's ratio to the base, and its range."""
    rows = [row for row in rows if results.spread(row[0], base, row[1])]
    figure, axes = pyplot.subplots(figsize=(9, 2 + 0.36 * len(rows)), layout="constrained")
    for place, name in enumerate(contenders):
        shift = 0.13 * (place - (len(contenders) - 1) / 2)
        points = [(y + shift, results.ratio(row[0], name, base, row[1])) for y, row in enumerate(rows)]
        points = [(y, ratio) for y, ratio in points if ratio is not None]
        medians = [ratio.median for _, ratio in points]
        reach = reach_of([ratio for _, ratio in points])
        style = {"color": COLORS[name][0], "fmt": MARKERS[name], "markersize": 6, "elinewidth": 1.5}
        axes.errorbar(medians, [y for y, _ in points], xerr=reach, label=name, **style)
    axes.axvline(1, color=QUIET[0], linewidth=1)
    axes.set_yticks(range(len(rows)), [titles[name] for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(axis="both")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(contenders), frameon=False)
    save(figure, title, results.note, path)


def reach_of(spreads):
    """How far their ranges go to both sides of the median."""
    return numpy.array([[s.median - s.range[0], s.range[1] - s.median] for s in spreads]).reshape(-1, 2).T


def draw_growth(growth, results, folder):
    """CPU time over the levels, and the line that fits."""
    figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
    for contender in growths.NAMES:
        points = growth.points(results, contender)
        spreads = [spread for _, spread in points]
        reach = reach_of(spreads)
        style = {"color": COLORS[contender][0], "fmt": MARKERS[contender], "markersize": 6, "elinewidth": 1.5}
        label = f"{contender}: {growths.formula(growth, results, contender)}"
        axes.errorbar([level for level, _ in points], [s.median for s in spreads], yerr=reach, label=label, **style)
        if line := growth.line(results, contender):
            slope, constant = (spread.median for spread in line)
            levels = numpy.geomspace(growth.levels[0], growth.levels[-1], 200)
            axes.plot(levels, slope * levels / growth.step + constant, color=style["color"], linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(growth.levels, [f"{level:,}" for level in growth.levels])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.set_xlabel(growth.title)
    axes.set_ylabel("CPU time of the proxy per transaction (µs)")
    axes.grid()
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", frameon=False)
    save(figure, f"CPU time over {growth.title}", results.note, folder / f"growth-{growth.name}.svg")


def save(figure, title, note, path):
    """Writes the figure between title and note, and behind it the rules that replace its colours in the dark."""
    figure.suptitle(title, fontsize=14, fontweight="bold")
    figure.supxlabel(textwrap.fill(note, 130), fontsize=8, color=QUIET[0])
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    rules = "".join(
        f'[style*="{kind}: {light}"] {{ {kind}: {dark} !important }}\n'
        for light, dark in PAIRS
        for kind in ("fill", "stroke")
    )
    style = f"svg {{ color-scheme: light dark }}\n@media (prefers-color-scheme: dark) {{\n{rules}}}"
    path.write_text(text.getvalue().replace("</svg>", f"<style>{style}</style>\n</svg>"))
