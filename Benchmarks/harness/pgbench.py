"""Runs pgbench through a contender, and computes costs of a transaction from its log and the contender's CPU time."""

import math
import re
import time

from harness.programs import ROOT, Program, fail

SAMPLE_SECONDS = 0.02
LEAST_TRANSACTIONS = 6  # for each client: enough for some between the first and the last
ATTEMPTS = 5
ONE_ROW = ["--file", ROOT / "Benchmarks/one-row.sql"]  # options for transactions of one row from no table
QUANTILES = {"p50": 0.50, "p99": 0.99, "p99.9": 0.999}


def pace(contender, server, folder, seconds, clients, *options):
    """The number of transactions of each client in about this number of seconds."""
    # pgbench's time begins before it opens the sessions.
    _, transactions = execute(contender, server, folder, clients, *options, "--time", str(math.ceil(seconds) + 1))
    ends = [end for _, end, _ in transactions]
    rate = len(ends) / (max(ends) - min(ends)) if len(ends) > clients else 0
    return max(LEAST_TRANSACTIONS, round(rate * seconds / clients))


def run(contender, server, folder, transactions, clients, *options):
    """The figures of a run with this number of transactions of each client, or with more where they are too few."""
    for count in [transactions << attempt for attempt in range(ATTEMPTS)]:
        done = execute(contender, server, folder, clients, *options, "--transactions", str(count))
        if measured := figures(*done):
            return measured
    fail(f"{clients} clients were never at work together through {contender.name}, even for {count} transactions each")


def execute(contender, server, folder, clients, *options):
    """Samples of the contender's CPU time while pgbench runs, each with the time of day; and of each transaction the
    client, when it ended, and its latency in µs."""
    log = ["--log", "--log-prefix", folder / "transactions"]
    words = ["--no-vacuum", "--client", str(clients), "--jobs", str(min(clients, 2)), *log, *options]
    samples, transactions = [], []
    with Program(folder, *server.client("pgbench", contender.port, *words)) as pgbench:
        while not pgbench.has_ended():
            samples.append((time.time(), contender.cpu_seconds()))
            time.sleep(SAMPLE_SECONDS)
        pgbench.finish()
    for path in folder.glob("transactions.*"):
        for line in path.read_text().splitlines():
            client, _, latency, _, seconds, microseconds = map(int, line.split()[:6])
            transactions.append((client, seconds + microseconds / 1e6, latency))
        path.unlink()
    return samples, transactions


def figures(samples, transactions):
    """Transactions/s, latencies and CPU time in µs of what ended while all clients were at work, with their caches
    filled: from when each has ended a transaction until a tenth of them have ended their last. None where that was
    less than a third."""
    ends = {}
    for client, moment, _ in transactions:
        ends.setdefault(client, []).append(moment)
    begin = max(min(moments) for moments in ends.values())
    end = sorted(max(moments) for moments in ends.values())[len(ends) // 10]
    samples = [sample for sample in samples if begin <= sample[0] <= end]
    if not samples:
        return None
    (begin, cpu_before), (end, cpu_after) = samples[0], samples[-1]
    latencies = sorted(latency for _, moment, latency in transactions if begin < moment <= end)
    count = len(latencies)
    if count < len(transactions) / 3:
        return None
    quantiles = {name: latencies[min(int(count * share), count - 1)] for name, share in QUANTILES.items()}
    return {"transactions/s": count / (end - begin), **quantiles, "cpu": (cpu_after - cpu_before) * 1e6 / count}


def worst_seconds(output, moment):
    """The lowest rate that pgbench reports before this second, and the lowest after it."""
    reports = re.findall(r"^progress: (\S+) s, (\S+) tps", output, re.MULTILINE)
    seconds = [(float(end), float(rate)) for end, rate in reports]
    before = [rate for end, rate in seconds if end <= moment - 0.5]  # pgbench's clock may start this late
    after = [rate for end, rate in seconds if end > moment]
    return min(before, default=0.0), min(after, default=0.0)
