"""How long pgleash takes to start, and how large it is."""

import subprocess
import time

from harness.figures import Figure
from harness.programs import Program, free_port
from harness.wire import Session

STARTS = 20
START_TIMEOUT = 10.0
PAUSE = 0.0002  # between attempts to connect


def measure_start(make_pgleash, server, folder):
    """From the start of the process to the first session's ReadyForQuery."""
    pgleash = make_pgleash()
    values = tuple(start_once(pgleash, server, folder) * 1000 for _ in range(STARTS))
    return [Figure("pgleash: start to first session", "ms", values, at_most=50)]


def start_once(pgleash, server, folder):
    pgleash.port = free_port()
    command = pgleash.command(server.port, folder)
    begin = time.monotonic()
    with Program(folder, *command) as program:
        while True:
            try:
                Session(pgleash.port).close()
                return time.monotonic() - begin
            except ConnectionRefusedError:
                if program.has_ended() or time.monotonic() > begin + START_TIMEOUT:
                    raise
            time.sleep(PAUSE)


def measure_size(make_pgleash, folder):
    """What `make install` installs."""
    stripped = folder / "stripped"
    subprocess.run(["strip", "-o", stripped, make_pgleash().program], check=True)
    return [Figure("pgleash: program, stripped", "bytes", (stripped.stat().st_size,), at_most=15_000_000)]
