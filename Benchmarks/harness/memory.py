"""What memory the contenders take: pgleash with no session, each idle session, and sessions that are stalled."""

import contextlib
import resource
import select
import shutil
import subprocess
import time

from harness.accounting import anonymous_kib, pss_kib
from harness.figures import Figure
from harness.idle import SETTLE_SECONDS, idle_growths
from harness.programs import fail
from harness.wire import Session, message

STARTS = 5
SPARE_DESCRIPTORS = 200  # for active sessions, libraries, listeners and event loops

STALLED_SESSIONS = 64
KEPT_KIB = 128  # in each direction, of what the other side does not take: one receive's worth
ALLOCATOR_SHARE = 1.04  # 33 pages for an array of 32, which has a header, and its books
# Each session asks for 1 GB, reads nothing of it, and sends on.
RESULT = "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"
ALONE_SECONDS = 5.0  # for which others work before sessions stall
REQUEST = message(b"Q", b"SELECT 1 -- " + b"x" * (1 << 20) + b"\0")
STILL_SECONDS = 2.0  # when nothing has moved for so long, all is stalled that can be
STALL_TIMEOUT = 60.0
SAMPLE_SECONDS = 0.05
LOAD_SESSIONS = 8
START_SECONDS = 0.5  # at most, until pgbench's clock runs
LOAD_TITLES = [
    f"{LOAD_SESSIONS} {which}, {when}"
    for which in ("others beside them", "of another pgleash")
    for when in ("before they stall", "while they do")
]


def idle_counts():
    """1,000 sessions, and 10,000 or as many as the limit of open files allows: a proxy needs two for each."""
    most = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS) // 2
    if most < 1000:
        fail("the limit of open files does not allow 1,000 sessions; ulimit -n shows and sets it")
    return sorted({1000, min(10000, most // 100 * 100)})


def measure_base(make_pgleash, server, folder):
    """Pss with one worker, before the first session."""
    pgleash = make_pgleash()
    # A file of its own: another pgleash on this machine would take half of what the program counts for.
    pgleash.program = shutil.copy(pgleash.program, folder / "pgleash")
    values = []
    for _ in range(STARTS):
        with pgleash.start(server.port, folder):
            time.sleep(SETTLE_SECONDS)
            values.append(pss_kib(pgleash.pid) / 1024)
    return [Figure("pgleash: memory with no session and one worker", "MiB", tuple(values), at_most=10)]


def measure_idle(contender, server, folder, counts, at_most=None):
    """By how much memory grows with each idle session."""
    title = f"{contender.name}: memory of an idle session, of "
    with contender.start(server.port, folder):
        growths = list(idle_growths(contender, counts))
    return [Figure(f"{title}{count:,}", "KiB", (kib,), at_most=at_most) for count, kib in zip(counts, growths)]


def measure_stalled(make_pgleash, server, folder, read_ahead_mib):
    """By how much memory grows at most while neither clients nor servers of many sessions read, and others work:
    some beside them, as many through a second pgleash, so that it shows what is the machine's part in their rates."""
    bound = (read_ahead_mib + STALLED_SESSIONS * 2 * KEPT_KIB / 1024) * ALLOCATOR_SHARE
    pgleash, spared = (make_pgleash(settings=f"[cancel]\nread_ahead = {read_ahead_mib}MB\n") for _ in range(2))
    with pgleash.start(server.port, folder), spared.start(server.port, folder), contextlib.ExitStack() as stack:
        sessions = [Session(pgleash.port) for _ in range(STALLED_SESSIONS)]
        for session in sessions:
            stack.enter_context(session.socket)
        loads = [stack.enter_context(Load(server, proxy.port, folder)) for proxy in (pgleash, spared)]
        time.sleep(ALONE_SECONDS)
        before = anonymous_kib(pgleash.pid)
        stalls_at = time.monotonic()
        sent, highest = stall(sessions, pgleash.pid)
        rates = [rate for load in loads for rate in load.stop(stalls_at)]
    title = f"pgleash: memory for {STALLED_SESSIONS} stalled sessions, read_ahead = {read_ahead_mib}MB"
    return [
        Figure(title, "MiB", ((highest - before) / 1024,), at_most=bound),
        Figure("– what each of their clients could send", "MB", (sent / 1e6 / STALLED_SESSIONS,)),
        *[Figure(f"– {load}, worst second", "transactions/s", (rate,)) for load, rate in zip(LOAD_TITLES, rates)],
    ]


def stall(sessions, pid):
    """Lets clients send until nothing moves: returns how much they sent, and the highest memory."""
    poll = select.poll()
    unsent = {}
    for session in sessions:
        session.send_query(RESULT)
        session.socket.setblocking(False)
        poll.register(session.socket, select.POLLOUT)
        unsent[session.socket.fileno()] = session.socket, memoryview(REQUEST)
    sent = highest = 0
    start = moved_at = sampled_at = time.monotonic()
    while time.monotonic() < moved_at + STILL_SECONDS:
        if time.monotonic() > start + STALL_TIMEOUT:
            fail(f"clients that read nothing could still send after {STALL_TIMEOUT:.0f} s")
        for descriptor, _ in poll.poll(100):
            socket, rest = unsent[descriptor]
            with contextlib.suppress(BlockingIOError):
                count = socket.send(rest)
                sent += count
                unsent[descriptor] = socket, rest[count:] or memoryview(REQUEST)
                moved_at = time.monotonic()
        if time.monotonic() > sampled_at + SAMPLE_SECONDS:
            highest = max(highest, anonymous_kib(pid))
            sampled_at = time.monotonic()
    return sent, highest


class Load:
    """Sessions of pgbench that work until they are stopped."""

    def __init__(self, server, port, folder):
        self.start = time.monotonic()
        script = folder / "load.sql"
        script.write_text("SELECT 1;\n")
        options = ["--no-vacuum", "--client", str(LOAD_SESSIONS), "--file", script, "--time", "600", "--progress", "1"]
        self.process = subprocess.Popen(
            server.client("pgbench", port, *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def stop(self, moment):
        """Transactions in the worst second before a moment, and in the worst of all behind it."""
        has_failed = self.process.poll() is not None
        self.process.terminate()
        lines = self.process.communicate()[1].splitlines()
        if has_failed:
            fail("pgbench failed beside stalled sessions\n" + "\n".join(lines))
        return worst_seconds(lines, moment - self.start)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def worst_seconds(lines, moment):
    """The least rate that pgbench tells of before so many seconds of its life, and the least behind them."""
    words = [line.split() for line in lines if line.startswith("progress:")]  # 1.0 s, 2345.6 tps, lat ...
    seconds = [(float(end), float(rate)) for _, end, _, rate, *_ in words]
    before = [rate for end, rate in seconds if end <= moment - START_SECONDS]
    behind = [rate for end, rate in seconds if end > moment]
    return min(before, default=0.0), min(behind, default=0.0)
