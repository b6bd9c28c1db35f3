"""Draws results as SVG files for a light and a dark background."""

import io
import statistics
import textwrap

import matplotlib
import numpy
from matplotlib import pyplot

from harness import growth as growths
from harness.contenders import DIRECT, NULL_RELAY
from harness.results import reach

# The colours, and their replacements on a dark background.
PAPER, INK, QUIET, GRID = ("#ffffff", "#0d1117"), ("#1f2328", "#f0f6fc"), ("#59636e", "#9198a1"), ("#d8dee4", "#2a313a")
COLORS = {
    "pgleash": ("#1a7f37", "#3fb950"),
    "null relay": ("#57606b", "#9198a2"),
    "PgBouncer": ("#0969da", "#58a6ff"),
    "HAProxy": ("#cf222e", "#ff7b72"),
    "HAProxy splicing": ("#bc4c00", "#f0883e"),
}
MARKERS = dict(zip(COLORS, "os^Dv"))

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "pgleash"})  # text stays text, and names the same
matplotlib.rcParams.update({"font.family": "sans-serif", "font.size": 11})
matplotlib.rcParams.update(dict.fromkeys(("text.color", "axes.labelcolor"), INK[0]))
matplotlib.rcParams.update(dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), QUIET[0]))
matplotlib.rcParams.update({"figure.facecolor": PAPER[0], "axes.facecolor": PAPER[0], "grid.color": GRID[0]})
matplotlib.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def draw_bench(comparison, results, folder):
    """CPU time relative to the null relay's, and throughput relative to the server alone."""
    transactions, bulk = map(comparison.workloads_of, ("transactions", "bulk"))
    costs = [(workload, "cpu") for workload in transactions + bulk]
    rates = [(workload, "transactions/s") for workload in transactions] + [(workload, "MB/s") for workload in bulk]
    proxies = [contender.name for contender in comparison.contenders if contender is not DIRECT]
    others = [name for name in proxies if name != NULL_RELAY.name]
    title = "CPU time of the proxy, null relay = 1"
    dots(folder / "bench-cpu.svg", results, title, costs, others, NULL_RELAY.name)
    title = "Transactions or bytes per second, without a proxy = 1"
    dots(folder / "bench-throughput.svg", results, title, rates, proxies, DIRECT.name)


def dots(path, results, title, rows, contenders, base):
    """A line for each workload, on it the median of each contender's ratio to the base, and its range."""
    rows = [(workload, figure) for workload, figure in rows if results.spread(workload.name, base, figure)]
    figure, axes = pyplot.subplots(figsize=(9, 2 + 0.36 * len(rows)), layout="constrained")
    for place, name in enumerate(contenders):
        shift = 0.13 * (place - (len(contenders) - 1) / 2)
        ratios = [(y + shift, results.ratio(row[0].name, name, base, row[1])) for y, row in enumerate(rows)]
        places, medians, style = points(name, [(y, ratio) for y, ratio in ratios if ratio], "xerr")
        axes.errorbar(medians, places, label=name, **style)
    axes.axvline(1, color=QUIET[0], linewidth=1)
    axes.set_yticks(range(len(rows)), [workload.title for workload, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(axis="both")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(contenders), frameon=False)
    save(figure, title, results.note, path)


def points(name, spreads, error):
    """The places, the medians, and the style of a contender's points, with their ranges as bars."""
    medians = [statistics.median(spread) for _, spread in spreads]
    bars = [[abs(median - reach(spread)[end]) for median, (_, spread) in zip(medians, spreads)] for end in (0, 1)]
    style = {"color": COLORS[name][0], "fmt": MARKERS[name], "markersize": 6, "elinewidth": 1.5, error: bars}
    return [place for place, _ in spreads], medians, style


def draw_growth(_, results, folder):
    """CPU time over the levels of each growth, and the line that fits."""
    for growth in growths.GROWTHS:
        figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
        for name in growths.NAMES:
            spreads = [(level, list(costs.values())) for level, costs in growth.points(results, name)]
            levels, medians, style = points(name, spreads, "yerr")
            axes.errorbar(levels, medians, label=f"{name}: {growth.formula(results, name)}", **style)
            if lines := growth.lines(results, name):
                slope, constant = map(statistics.median, zip(*lines.values()))
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
        axes.legend(loc="upper left", frameon=False)
        save(figure, f"CPU time over {growth.title}", results.note, folder / f"growth-{growth.name}.svg")


def save(figure, title, note, path):
    """Writes the figure between title and note, and the rules that replace its colours on a dark background."""
    figure.axes[0].set_axisbelow(True)
    figure.suptitle(title, fontsize=14, fontweight="bold")
    figure.supxlabel(textwrap.fill(note, 130), fontsize=8, color=QUIET[0])
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    style = "svg { color-scheme: light dark }\n@media (prefers-color-scheme: dark) {\n"
    for light, dark in (PAPER, INK, QUIET, GRID, *COLORS.values()):
        for kind in ("fill", "stroke"):
            style += f'[style*="{kind}: {light}"] {{ {kind}: {dark} !important }}\n'
    path.write_text(text.getvalue().replace("</svg>", f"<style>{style}}}</style>\n</svg>"))
