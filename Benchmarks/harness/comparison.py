"""Has contenders carry workloads, in short rounds of all of them, so that what drifts with time drifts for all."""

import contextlib
import fnmatch
import pathlib
from dataclasses import dataclass

from harness.contenders import Direct, Pgleash
from harness.encryption import make_certificate
from harness.machine import note
from harness.programs import ROOT, PrivatePostgres, fail, measurement
from harness.results import Results
from harness.workloads import SETTINGS, prepare


@dataclass(frozen=True)
class Comparison:
    """What is compared; `name` is that of its script and of its files, `target` what writes them."""

    name: str
    target: str
    title: str
    contenders: list
    workloads: list
    goals: list

    @property
    def names(self):
        return [contender.name for contender in self.contenders]

    @property
    def proxies(self):
        return [name for name in self.names if name != Direct.name]

    @property
    def titles(self):
        """Of the workloads, by their names."""
        return {workload.name: workload.title for workload in self.workloads}

    def workloads_of(self, kind):
        """Their names."""
        return [workload.name for workload in self.workloads if isinstance(workload, kind)]


def add_options(parser, passes, seconds):
    """The options of every comparison, with these defaults."""
    parser.add_argument("--passes", type=positive, default=passes, metavar="N", help="over all workloads (%(default)s)")
    parser.add_argument(
        "--seconds", type=positive_time, default=seconds, metavar="S", help="for each run of pgbench (%(default)s)"
    )
    only = "names, or patterns as simple-*, without what stands before them for TLS too"
    parser.add_argument("--only", nargs="+", default=["*"], metavar="WORKLOAD", help=only)
    parser.add_argument("--contenders", nargs="+", default=["*"], metavar="NAME", help="names, or patterns")
    parser.add_argument("--pgleash", type=pathlib.Path, metavar="FILE", help="the program to measure")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "Benchmarks/results", metavar="FOLDER")


def positive(word):
    number = int(word)
    if number < 1:
        raise ValueError
    return number


def positive_time(word):
    seconds = float(word)
    if not 0 < seconds < 1000:
        raise ValueError
    return seconds


def compare(arguments, contenders, workloads, write):
    """Measures, and has the results written after each pass, so that they outlive a run that is stopped."""
    contenders = chosen(contenders, arguments.contenders)
    workloads = chosen(workloads, arguments.only, lambda workload: workload.names)
    for contender in contenders:
        if isinstance(contender, Pgleash) and arguments.pgleash:
            contender.program = arguments.pgleash
    arguments.output.mkdir(parents=True, exist_ok=True)
    with measurement() as folder, start_server(folder, workloads) as server:
        prepare(server)
        results = Results(note(server, contenders))
        for number in range(1, arguments.passes + 1):
            print(f"Pass {number} of {arguments.passes}", flush=True)
            for workload in workloads:
                measure(results, number, workload, contenders, server, folder, arguments.seconds)
            write(arguments.output, results)


def start_server(folder, workloads):
    """One that speaks TLS where a workload has it."""
    if not any(workload.encryption.is_on for workload in workloads):
        return PrivatePostgres(folder, *SETTINGS)
    return PrivatePostgres(folder, *SETTINGS, "ssl=on", files=make_certificate(folder))


def chosen(things, patterns, names_of=lambda thing: [thing.name]):
    """Those with a name one of the patterns matches; each pattern has to match one."""
    for pattern in patterns:
        if not any(fnmatch.filter(names_of(thing), pattern) for thing in things):
            fail(f"{pattern} is none of: {', '.join(thing.name for thing in things)}")
    return [thing for thing in things if any(fnmatch.filter(names_of(thing), pattern) for pattern in patterns)]


def measure(results, number, workload, contenders, server, folder, seconds):
    """A pass's rounds of one workload with all contenders, started for it. Who comes first changes from round to
    round."""
    contenders = [contender for contender in contenders if workload.is_fair_to(contender)]
    if not contenders:
        return
    with started(contenders, workload, server, folder):
        amount = workload.amount(contenders[0], server, folder, seconds)
        for index in range(workload.rounds):
            first = (number + index) % len(contenders)
            for contender in contenders[first:] + contenders[:first]:
                figures = workload.run(contender, server, folder, amount)
                if contender.pid is None:
                    figures.pop("cpu", None)  # of one that is no program
                results.add((number - 1) * workload.rounds + index + 1, workload.name, contender.name, figures)
                said = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
                print(f"  {workload.name}, {contender.name}: {said}", flush=True)


@contextlib.contextmanager
def started(contenders, workload, server, folder):
    """Meanwhile they stand in front of the server, and speak TLS where the workload has it."""
    with workload.encryption.clients(), contextlib.ExitStack() as stack:
        for contender in contenders:
            stack.enter_context(contender.start(server.port, folder, workload.encryption))
            workload.encryption.check(contender, server)
        yield


def read_results(path):
    """What a comparison has written."""
    try:
        return Results.read(path)
    except (OSError, ValueError) as error:
        fail(error)
