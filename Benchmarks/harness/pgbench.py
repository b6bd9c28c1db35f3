"""Runs pgbench through a contender, and takes from its log and the contender's CPU time what a transaction costs."""

import subprocess
import time

from harness.programs import fail

SAMPLE_SECONDS = 0.05
# Left out at the beginning: until then backends fill their caches.
WARM_UP_SECONDS = 0.5
ATTEMPTS = 5


def run(contender, server, folder, seconds, clients, *options):
    """The figures of one run: transactions/s, latencies and CPU time in µs.

    Transactions and CPU time are counted between two samples of the clock, so that neither opening nor closing the
    sessions is part of them. pgbench's time begins before it opens them: where nearly all of it went with that, it runs
    again for longer."""
    command = server.client(
        *["pgbench", contender.port, "--no-vacuum", "--client", str(clients), "--jobs", str(min(clients, 2))],
        *["--log", "--log-prefix", folder / "transactions", *options],
    )
    for attempt in range(ATTEMPTS):
        samples = sample([*command, "--time", str(seconds << attempt)], contender, folder)
        if measured := figures(samples, read_transactions(folder), seconds / 3):
            return measured
    fail(f"no transactions through {contender.name}, even in {seconds << attempt} s")


def sample(command, contender, folder):
    """Runs pgbench, and returns what cpu_samples() gives meanwhile."""
    with open(folder / "pgbench.log", "w+") as output, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    ) as process:
        try:
            samples = list(cpu_samples(contender, process))
        finally:
            process.terminate()
        output.seek(0)
        if process.wait() != 0:
            fail(f"pgbench failed through {contender.name}\n{output.read()}")
    return samples


def cpu_samples(contender, process):
    """Time of day and CPU time of the contender, again and again until the process ends."""
    while process.poll() is None:
        yield time.time(), contender.cpu_seconds()
        time.sleep(SAMPLE_SECONDS)


def read_transactions(folder):
    """When each transaction ended, and its latency in µs; the log is deleted."""
    transactions = []
    for path in folder.glob("transactions.*"):
        with open(path) as lines:
            for line in lines:
                # client, transaction, latency, script, seconds, microseconds
                words = line.split()
                transactions.append((int(words[4]) + int(words[5]) / 1e6, int(words[2])))
        path.unlink()
    return transactions


def figures(samples, transactions, seconds):
    """What the transactions between the end of the warm-up and the end of the run cost; None if that was too short."""
    ends = [end for end, _ in transactions]
    first, last = min(ends, default=0) + WARM_UP_SECONDS, max(ends, default=0)
    samples = [sample for sample in samples if first <= sample[0] <= last]
    if not samples or samples[-1][0] - samples[0][0] < seconds:
        return None
    (begin, cpu_before), (end, cpu_after) = samples[0], samples[-1]
    latencies = sorted(latency for moment, latency in transactions if begin < moment <= end)
    if not latencies:
        return None
    return {
        "transactions/s": len(latencies) / (end - begin),
        "p50": percentile(latencies, 0.50),
        "p99": percentile(latencies, 0.99),
        "p99.9": percentile(latencies, 0.999),
        "cpu": (cpu_after - cpu_before) * 1e6 / len(latencies),
    }


def percentile(ordered, fraction):
    return ordered[min(int(len(ordered) * fraction), len(ordered) - 1)]
