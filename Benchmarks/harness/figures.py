"""Figures that have a goal of their own: what each round gave, whether the goal is held, and how that is shown."""

import csv
from dataclasses import dataclass

from harness.results import Spread
from harness.table import cell, row, short


@dataclass(frozen=True)
class Figure:
    """Something measured, once or in several rounds; it is their median that is held against a goal."""

    title: str
    unit: str
    values: tuple
    at_most: float = None
    at_least: float = None

    @property
    def spread(self):
        return Spread.of(self.values)

    @property
    def is_held(self):
        """True as well for a figure without a goal."""
        return self.holds(self.spread.median)

    def holds(self, value):
        is_low_enough = self.at_most is None or value <= self.at_most
        return is_low_enough and (self.at_least is None or value >= self.at_least)

    @property
    def is_certain(self):
        """Whether more rounds would hardly change the verdict; what is measured once has no rounds to differ."""
        return len(self.values) == 1 or self.spread.is_certain(self.holds)

    @property
    def goal(self):
        if self.at_most is not None:
            return f"at most {short(self.at_most)}"
        return "" if self.at_least is None else f"at least {short(self.at_least)}"

    @property
    def verdict(self):
        if not self.goal:
            return ""
        return ("held" if self.is_held else "**not held**") + ("" if self.is_certain else " (not certain)")

    @property
    def measured(self):
        return cell(self.spread)


def table(figures):
    """The lines of a table in Markdown."""
    yield from row("figure", "unit", "measured", "goal", "")
    yield from row("---", "---", "---:", "---:", "---")
    for figure in figures:
        yield from row(figure.title, figure.unit, figure.measured, figure.goal, figure.verdict)


def write(path, note, figures):
    """Writes what each round gave as CSV, below the note as a comment."""
    with open(path, "w", newline="") as file:
        file.write(f"# {note}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["figure", "unit", "round", "value"])
        for figure in figures:
            for number, value in enumerate(figure.values, 1):
                writer.writerow([figure.title, figure.unit, number, f"{value:.6g}"])
