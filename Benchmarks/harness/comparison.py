"""Has contenders carry workloads, in short rounds of all of them, so that what drifts with time drifts for all; or
looks again at what was measured."""

import argparse
import contextlib
import fnmatch
import os
import pathlib
from collections import namedtuple
from dataclasses import dataclass

from harness.contenders import PLAIN, make_certificate
from harness.programs import PrivatePostgres, fail, measurement
from harness.results import RESULTS, Results, cell, note, short, summary, verdict
from harness.workloads import SETTINGS, prepare

# The required ratio of pgleash's figure to another contender's with each of the workloads.
Goal = namedtuple("Goal", "title figure workloads relation limit other")


@dataclass(frozen=True)
class Comparison:
    """What is compared; `name` is that of its script and of its files, `target` what writes them."""

    name: str
    target: str
    title: str
    contenders: list
    workloads: list
    goals: list

    def workloads_of(self, kind):
        return [workload for workload in self.workloads if workload.kind == kind]

    def judge(self, results):
        """For each goal and workload the required value, the measured one, and the verdict, in words."""
        titles = {workload.name: workload.title for workload in self.workloads}
        rows = []
        for goal in self.goals:
            for workload in goal.workloads:
                ratio = results.ratio(workload, "pgleash", goal.other.name, goal.figure)
                words = goal.title, titles[workload], f"{goal.relation} {short(goal.limit)} × {goal.other.name}"
                rows.append([*words, cell(ratio), verdict(ratio, goal.relation, goal.limit)])
        return rows


def main(comparison, description, passes, document, draw=lambda *_: None):
    """The command line of a comparison: `document` gives the lines of its tables, `draw` makes plots in a folder."""
    name = comparison.name
    parser = argparse.ArgumentParser(description=description)
    if comparison.goals:
        parser.add_argument("--check", action="store_true", help=f"measure nothing; fail if {name}.csv misses a goal")
    parser.add_argument("--redraw", action="store_true", help=f"measure nothing; make what is shown from {name}.csv")
    parser.add_argument("--passes", type=int, default=passes, metavar="N", help="over all workloads (%(default)s)")
    seconds = "for each run of pgbench (%(default)s)"
    parser.add_argument("--seconds", type=float, default=0.4, metavar="S", help=seconds)
    only = "names, or patterns as simple-*, without what stands before them for TLS too"
    parser.add_argument("--only", nargs="+", default=["*"], metavar="WORKLOAD", help=only)
    parser.add_argument("--contenders", nargs="+", default=["*"], metavar="NAME", help="names, or patterns")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, metavar="FOLDER")
    arguments = parser.parse_args()
    data = arguments.output / f"{name}.csv"
    if comparison.goals and arguments.check:
        return check(comparison, read(comparison, data))
    for results in [read(comparison, data)] if arguments.redraw else compare(comparison, arguments):
        arguments.output.mkdir(parents=True, exist_ok=True)
        results.write(data)
        data.with_suffix(".md").write_text("\n".join([*document(comparison, results), ""]))
        draw(comparison, results, arguments.output)
    print(f"{data.with_suffix('.md')} has the tables")


def read(comparison, path):
    """The measurements of this machine, which are not in the repository."""
    if not path.exists():
        fail(f"there is no {path}: `{comparison.target}` measures first, and leaves it there")
    return Results.read(path)


def check(comparison, results):
    """Fails if a goal is missed, with certainty or not, or was not measured."""
    judged = comparison.judge(results)
    for title, workload, goal, measured, judgement in judged:
        print(f"{judgement:<22}  {title}, {workload}: {measured}, {goal}")
    verdicts = [row[-1] for row in judged]
    if not all(judgement.startswith("held") for judgement in verdicts):
        fail(summary(verdicts))
    print(summary(verdicts))


def compare(comparison, arguments):
    """Measures, and yields all results after each pass, so that an interrupted run keeps them."""
    contenders = chosen(comparison.contenders, arguments.contenders)
    workloads = chosen(comparison.workloads, arguments.only)
    with measurement() as folder:
        is_encrypted = any(workload.encryption != PLAIN for workload in workloads)
        settings, files = ((*SETTINGS, "ssl=on"), make_certificate(folder)) if is_encrypted else (SETTINGS, {})
        with PrivatePostgres(folder, *settings, files=files) as server:
            prepare(server)
            results = Results(note(server, contenders))
            for number in range(1, arguments.passes + 1):
                print(f"Pass {number} of {arguments.passes}", flush=True)
                for workload in workloads:
                    measure(results, number, workload, contenders, server, folder, arguments.seconds)
                yield results


def chosen(things, patterns):
    """Those with a name one of the patterns matches; each pattern has to match one. What stands before a workload's
    name for TLS may be left out."""
    found = set()
    for pattern in patterns:
        fitting = {one.name for one in things if fnmatch.filter([one.name, getattr(one, "plain_name", "")], pattern)}
        found |= fitting or fail(f"{pattern} is none of: {', '.join(one.name for one in things)}")
    return [one for one in things if one.name in found]


def measure(results, number, workload, contenders, server, folder, seconds):
    """A pass's rounds of one workload with all contenders, started for it. Who comes first changes from round to
    round."""
    kinds = (workload.kind, workload.name.split("-")[-1])
    contenders = [contender for contender in contenders if contender.unfit_for not in kinds]
    # That of psql, pgbench and `Session`. Where nobody is told to speak TLS it is libpq's default.
    os.environ["PGSSLMODE"] = "prefer" if workload.encryption == PLAIN else workload.encryption.client_sslmode
    with contextlib.ExitStack() as stack:
        for contender in contenders:
            stack.enter_context(contender.start(server.port, folder, workload.encryption))
            workload.encryption.check(contender, server)
        amount = workload.amount(contenders[0], server, folder, seconds) if contenders else None
        for index in range(workload.rounds):
            first = (number + index) % max(1, len(contenders))
            for contender in contenders[first:] + contenders[:first]:
                figures = workload.run(contender, server, folder, amount)
                if contender.pid is None:
                    figures.pop("cpu", None)  # of a contender that is not a program
                results.add((number - 1) * workload.rounds + index + 1, workload.name, contender.name, figures)
                said = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
                print(f"  {workload.name}, {contender.name}: {said}", flush=True)
