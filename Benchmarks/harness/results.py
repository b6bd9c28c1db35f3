"""Keeps what was measured, as a file too: figures for each round, workload and contender. Contenders are compared
within a round, since the machine drifts from one to the next."""

import csv
import math
import statistics
from dataclasses import dataclass

# Of the interval that the true median lies in: how sure one may at least be of it.
CONFIDENCE = 0.90
COLUMNS = ("round", "workload", "contender", "figure", "value")


@dataclass(frozen=True)
class Spread:
    """What several rounds gave, in order of size."""

    values: tuple

    @staticmethod
    def of(values):
        return Spread(tuple(sorted(values))) if values else None

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def least(self):
        return self.values[0]

    @property
    def most(self):
        return self.values[-1]

    @property
    def interval(self):
        """What the true median lies in, whatever the distribution: from the n-th least to the n-th largest value, with
        the largest n that gives enough confidence. None with fewer than 5 values, which can't give it."""
        count = len(self.values)
        # The true median lies beyond the n-th where fewer than n of the values lie on one side of it.
        places = [
            n
            for n in range(1, count // 2 + 1)
            if 1 - 2 * sum(math.comb(count, fewer) for fewer in range(n)) / 2**count >= CONFIDENCE
        ]
        return (self.values[places[-1] - 1], self.values[-places[-1]]) if places else None

    @property
    def range(self):
        """What is shown beside the median: its interval, or from the least to the most where there is none."""
        return self.interval or (self.least, self.most)

    def is_certain(self, is_held):
        """Whether the whole interval is on the median's side of a goal, which `is_held` tells of a value."""
        return self.interval is not None and len({is_held(value) for value in self.interval}) == 1


class Results:
    """Figures, and a note on where they come from."""

    def __init__(self, note):
        self.note = note
        self.values = {}  # by workload, contender, figure and round

    def add(self, number, workload, contender, figures):
        """Adds what a round gave for a workload and a contender."""
        for figure, value in figures.items():
            self.values[workload, contender, figure, number] = value

    def rounds(self):
        return sorted({number for _, _, _, number in self.values})

    def count(self, workload):
        """How many rounds a workload had."""
        return len({number for name, _, _, number in self.values if name == workload})

    def value(self, workload, contender, figure, number):
        """What a round gave, None where nothing was measured."""
        return self.values.get((workload, contender, figure, number))

    def spread(self, workload, contender, figure):
        """What the rounds gave, None where nothing was measured."""
        series = (self.value(workload, contender, figure, number) for number in self.rounds())
        return Spread.of([value for value in series if value is not None])

    def ratio(self, workload, contender, other, figure):
        """What the ratio of two contenders was in each round, None where one of them was not measured."""
        pairs = [
            [self.value(workload, name, figure, number) for name in (contender, other)] for number in self.rounds()
        ]
        return Spread.of([ours / theirs for ours, theirs in pairs if ours is not None and theirs])

    def write(self, path):
        """Writes the figures as CSV, below the note as a comment."""
        with open(path, "w", newline="") as file:
            file.write(f"# {self.note}\n")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for (workload, contender, figure, number), value in self.values.items():
                writer.writerow([number, workload, contender, figure, f"{value:.6g}"])

    @staticmethod
    def read(path):
        """What write() wrote; ValueError where it did not."""
        with open(path, newline="") as file:
            results = Results(file.readline().removeprefix("# ").rstrip("\n"))
            rows = csv.reader(file)
            if tuple(next(rows, ())) != COLUMNS:
                raise ValueError(f"{path} does not have the columns {', '.join(COLUMNS)}")
            for number, workload, contender, figure, value in rows:
                results.add(int(number), workload, contender, {figure: float(value)})
        return results
