"""Sessions that do nothing: by how much each lets a contender's memory grow."""

import contextlib
import time
from dataclasses import dataclass

from harness.accounting import anonymous_kib
from harness.wire import Session
from harness.workloads import Workload

SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class Idle(Workload):
    """So many sessions that ask once and then do nothing. Before that PgBouncer has no server connection for them."""

    count: int

    def run(self, contender, server, folder, amount):
        [kib] = idle_growths(contender, [self.count], ask_once)
        return {"memory": kib}


def ask_once(session):
    session.query("SELECT 1")


def idle_growths(contender, counts, begin=lambda _: None):
    """By how much memory has grown for each session, in KiB, once there are so many of them, and then more; `begin` is
    called with each."""
    opened = 0
    with contextlib.ExitStack() as sessions:
        Session(contender.port).close()  # what is done once is not part of the figures
        time.sleep(SETTLE_SECONDS)
        before = anonymous_kib(contender.pid)
        for count in counts:
            for _ in range(count - opened):
                begin(sessions.enter_context(Session(contender.port)))
            opened = count
            time.sleep(SETTLE_SECONDS)
            yield (anonymous_kib(contender.pid) - before) / count
