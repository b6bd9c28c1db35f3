"""The command line of a comparison: measures, or looks again at what was measured."""

import argparse

from harness.comparison import add_options, compare, read_results
from harness.goals import judge, summary
from harness.programs import fail
from harness.table import cell, document


def main(comparison, description, passes, seconds, draw=lambda *_: None):
    """Runs it; `draw` makes plots of the results in a folder."""
    arguments = read_arguments(comparison, description, passes, seconds)
    data = arguments.output / f"{comparison.name}.csv"
    tables = data.with_suffix(".md")

    def write(folder, results):
        results.write(data)
        tables.write_text("\n".join(document(comparison, results)) + "\n")
        draw(comparison, results, folder)

    if arguments.check:
        check(comparison, read_results(data))
    elif arguments.redraw:
        write(arguments.output, read_results(data))
    else:
        compare(arguments, comparison.contenders, comparison.workloads, write)
        print(f"{tables} has the tables")


def read_arguments(comparison, description, passes, seconds):
    parser = argparse.ArgumentParser(description=description)
    action = parser.add_mutually_exclusive_group()
    data = f"{comparison.name}.csv"
    action.add_argument("--check", action="store_true", help=f"measure nothing; fail if {data} misses a goal")
    action.add_argument("--redraw", action="store_true", help=f"measure nothing; make what is shown from {data}")
    add_options(parser, passes, seconds)
    return parser.parse_args()


def check(comparison, results):
    """Fails if a goal is not held, certainly or not, or was not measured."""
    judgements = judge(comparison.goals, results)
    for judgement in judgements:
        goal = judgement.goal
        place = f"{goal.title}, {comparison.titles[judgement.workload]}"
        verdict = judgement.verdict + judgement.doubt
        print(f"{verdict:<22}  {place}: {cell(judgement.ratio)}, {goal.text}")
    if not all(judgement.is_held for judgement in judgements):
        fail(summary(judgements))
    print(summary(judgements))
