"""Keeps what was measured, as a file too: figures for each round, workload and contender. Contenders are compared
within a round, since the machine drifts from one to the next."""

import csv
import statistics
from dataclasses import dataclass

COLUMNS = ("round", "workload", "contender", "figure", "value")


@dataclass(frozen=True)
class Spread:
    """What several rounds gave."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values):
        return Spread(statistics.median(values), min(values), max(values)) if values else None


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

    def spread(self, workload, contender, figure):
        """What the rounds gave, None where nothing was measured."""
        series = (self.values.get((workload, contender, figure, number)) for number in self.rounds())
        return Spread.of([value for value in series if value is not None])

    def ratio(self, workload, contender, other, figure):
        """What the ratio of two contenders was in each round, None where one of them was not measured."""
        pairs = [
            [self.values.get((workload, name, figure, number)) for name in (contender, other)]
            for number in self.rounds()
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
