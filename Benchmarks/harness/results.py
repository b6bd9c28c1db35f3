"""What several rounds gave: figures of each round, workload and contender, and how they are shown and judged.
Contenders are compared within a round, since the machine drifts from one to the next."""

import collections
import csv
import datetime
import math
import operator
import os
import pathlib
import platform
import re
import statistics
import subprocess

from harness.programs import ROOT, version

RESULTS = ROOT / "Benchmarks/results"
# The minimum probability of the interval for the true median.
CONFIDENCE = 0.90
BRACKETS = "the range the true median is in, with 90 % and more"
COLUMNS = ["round", "workload", "contender", "figure", "value"]
# A measured value, once or in several rounds; a goal is a relation and a limit for the median.
Figure = collections.namedtuple("Figure", "title unit values goal", defaults=[None])
RELATIONS = {"at most": operator.le, "below": operator.lt, "at least": operator.ge}


class Results:
    """Figures, and a note on their origin."""

    def __init__(self, note):
        self.note = note
        self.values = {}  # by round, workload, contender and figure

    def add(self, number, workload, contender, figures):
        """Adds the figures of a round for a workload and a contender."""
        self.values |= {(number, workload, contender, figure): value for figure, value in figures.items()}

    def series(self, workload, contender, figure):
        """The measured values, by round."""
        wanted = workload, contender, figure
        return {key[0]: value for key, value in self.values.items() if key[1:] == wanted}

    def spread(self, workload, contender, figure):
        """The values of the rounds."""
        return list(self.series(workload, contender, figure).values())

    def ratio(self, workload, contender, other, figure):
        """The ratio of two contenders in each round that has both."""
        ours, theirs = (self.series(workload, name, figure) for name in (contender, other))
        return [ours[number] / theirs[number] for number in ours if theirs.get(number)]

    def write(self, path):
        """Writes the figures as CSV."""
        write_csv(path, self.note, COLUMNS, ([*key, f"{value:.6g}"] for key, value in self.values.items()))

    @staticmethod
    def read(path):
        """Reads the file of write()."""
        note, _, *rows = path.read_text().splitlines()
        results = Results(note.removeprefix("# "))
        for number, workload, contender, figure, value in csv.reader(rows):
            results.add(int(number), workload, contender, {figure: float(value)})
        return results


def note(server, contenders):
    """Date, commit, versions, machine and load, in a line."""
    postgres = version(server.bin / "postgres", "--version")
    words = [datetime.date.today().isoformat(), *commit(), f"PostgreSQL {postgres}"]
    words += [f"{one.name} {version(one.find(), one.version_option)}" for one in contenders if one.version_option]
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processors = f"{os.cpu_count()} × {model[1] if model else platform.machine()}"
    load = f"load average before {os.getloadavg()[0]:.1f}"
    return ", ".join([*words, f"Linux {platform.release()}", processors, load])


def commit():
    """What is checked out, as a list of one; of none without a repository, as in a tarball. Results alone don't make
    it dirty: the measurement before this one has just written its own."""

    def git(*words):  # not in a repository around the folder of a tarball
        return subprocess.run(["git", "-C", ROOT, "--git-dir=.git", *words], capture_output=True, text=True)

    name = git("describe", "--always").stdout.strip()
    is_dirty = git("diff", "--quiet", "HEAD", "--", ":(exclude)Benchmarks/results").returncode
    return [f"commit {name}{'-dirty' if is_dirty else ''}"] if name else []


def write_csv(path, note, columns, rows):
    """Writes a table, and the note above it as a comment."""
    with open(path, "w", newline="") as file:
        file.write(f"# {note}\n")
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def interval(values):
    """What the true median lies in, whatever the distribution: from the n-th least to the n-th largest value, with the
    largest n that gives enough confidence. None with fewer than 5 values, which can't give it."""
    ordered, count = sorted(values), len(values)
    for n in range(count // 2, 0, -1):
        # The true median lies beyond the n-th where fewer than n of the values lie on one side of it.
        if 1 - 2 * sum(math.comb(count, fewer) for fewer in range(n)) / 2**count >= CONFIDENCE:
            return ordered[n - 1], ordered[-n]
    return None


def reach(values):
    """The text beside the median: its interval, or the minimum and the maximum where there is none."""
    return interval(values) or (min(values), max(values))


def verdict(values, relation, limit, has_rounds=True):
    """Whether the median keeps to the limit. More rounds would hardly change what is certain: the whole interval is on
    the median's side of the limit, or there are no rounds that could differ."""
    if not values:
        return "not measured"
    keeps = [RELATIONS[relation](value, limit) for value in (statistics.median(values), *(interval(values) or ()))]
    is_certain = not has_rounds or len(keeps) == 3 and keeps[1] == keeps[2]
    return ("held" if keeps[0] else "not held") + ("" if is_certain else " (not certain)")


def summary(verdicts):
    """The number of goals that are met, and the number of these verdicts that are not certain."""
    counts = collections.Counter(verdicts)
    parts = []
    for words, said in (("held", f"of {len(verdicts)} goals are held"), ("not held", "are not held")):
        doubtful = counts[f"{words} (not certain)"]
        if (count := counts[words] + doubtful) or words == "held":
            parts.append(f"{count} {said}" + (f", {doubtful} of these not certain" if doubtful else ""))
    if counts["not measured"]:
        parts.append(f"{counts['not measured']} were not measured")
    return "; ".join(parts)


def table(head, rows, ruler=None):
    """The lines of a table in Markdown. Unless its ruler says otherwise, figures follow a name."""
    return [row(cells) for cells in (head, ruler or ["---", *["---:"] * (len(head) - 1)], *rows)]


def row(cells):
    return f"| {' | '.join(cells)} |"


def bold(verdict):
    """A verdict for a table, with emphasis on a missed goal."""
    return re.sub("^not (held|measured)", r"**\g<0>**", verdict)


def cells(figure):
    """The value of a line in the table."""
    goal = judged = ""
    if figure.goal:
        relation, limit = figure.goal
        goal = f"{relation} {short(limit)}"
        # A value that is measured once has no rounds that could differ.
        judged = bold(verdict(figure.values, relation, limit, has_rounds=len(figure.values) > 1))
    return [figure.title, figure.unit, cell(figure.values), goal, judged]


def cell(values):
    """The median, and beside that of several rounds its range."""
    if not values:
        return "–"
    median = short(statistics.median(values))
    return median if len(values) == 1 else f"{median} ({'–'.join(map(short, reach(values)))})"


def short(value):
    """A number with three digits, or its whole integer part."""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{digits}f}"
