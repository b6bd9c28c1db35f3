"""Runs pgbench through a contender, and takes from its log and the contender's CPU time what a transaction costs."""

import math
import subprocess
import time

from harness.programs import fail

SAMPLE_SECONDS = 0.02
ATTEMPTS = 5
# Of each client: enough that there is something between the first and the last.
LEAST_TRANSACTIONS = 6


def pace(contender, server, folder, seconds, clients, *options):
    """How many transactions each client gets through in about so many seconds."""
    # pgbench's time begins before it opens the sessions.
    _, transactions = execute(contender, server, folder, clients, *options, "--time", str(math.ceil(seconds) + 1))
    ends = [end for _, end, _ in transactions]
    rate = len(ends) / (max(ends) - min(ends)) if len(ends) > clients else 0
    return max(LEAST_TRANSACTIONS, round(rate * seconds / clients))


def run(contender, server, folder, transactions, clients, *options):
    """The figures of a run with so many transactions of each client: transactions/s, latencies and CPU time in µs.

    They are those of the time in which all clients are at work, with their caches filled."""
    for attempt in range(ATTEMPTS):
        count = transactions << attempt
        done = execute(contender, server, folder, clients, *options, "--transactions", str(count))
        if measured := figures(*done):
            return measured
    fail(f"{clients} clients were never at work together through {contender.name}, even for {count} transactions each")


def execute(contender, server, folder, clients, *options):
    """Runs pgbench; samples of the contender's CPU time meanwhile, and the transactions."""
    command = server.client(
        *["pgbench", contender.port, "--no-vacuum", "--client", str(clients), "--jobs", str(min(clients, 2))],
        *["--log", "--log-prefix", folder / "transactions", *options],
    )
    with (
        open(folder / "pgbench.log", "w+") as output,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process,
    ):
        try:
            samples = list(cpu_samples(contender, process))
        finally:
            process.terminate()
        output.seek(0)
        if process.wait() != 0:
            fail(f"pgbench failed through {contender.name}\n{output.read()}")
    return samples, read_transactions(folder)


def cpu_samples(contender, process):
    """Time of day and CPU time of the contender, again and again until the process ends."""
    while process.poll() is None:
        yield time.time(), contender.cpu_seconds()
        time.sleep(SAMPLE_SECONDS)


def read_transactions(folder):
    """Of each transaction the client, when it ended, and its latency in µs; the log is deleted."""
    transactions = []
    for path in folder.glob("transactions.*"):
        with open(path) as lines:
            for line in lines:
                client, _, latency, _, seconds, microseconds = map(int, line.split()[:6])
                transactions.append((client, seconds + microseconds / 1e6, latency))
        path.unlink()
    return transactions


def figures(samples, transactions):
    """What the transactions cost that ended while all clients were at work; None where these were less than a third."""
    begin, end = common_time(transactions)
    samples = [sample for sample in samples if begin <= sample[0] <= end]
    if not samples:
        return None
    (begin, cpu_before), (end, cpu_after) = samples[0], samples[-1]
    latencies = sorted(latency for _, moment, latency in transactions if begin < moment <= end)
    if len(latencies) < len(transactions) / 3:
        return None
    return {
        "transactions/s": len(latencies) / (end - begin),
        "p50": percentile(latencies, 0.50),
        "p99": percentile(latencies, 0.99),
        "p99.9": percentile(latencies, 0.999),
        "cpu": (cpu_after - cpu_before) * 1e6 / len(latencies),
    }


def common_time(transactions):
    """From when each client has ended a transaction until a tenth of the clients have ended their last."""
    firsts, lasts = {}, {}
    for client, moment, _ in sorted(transactions, key=lambda transaction: transaction[1]):
        firsts.setdefault(client, moment)
        lasts[client] = moment
    return max(firsts.values()), sorted(lasts.values())[len(lasts) // 10]


def percentile(ordered, fraction):
    return ordered[min(int(len(ordered) * fraction), len(ordered) - 1)]
