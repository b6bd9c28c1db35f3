"""Reads from the kernel what a process has cost and what it holds."""

import ctypes
import os
import pathlib
import re
import time

libc = ctypes.CDLL(None)


def cpu_seconds(pid):
    """CPU time of all threads of a process, those that have ended included, by the scheduler's accounting.

    That counts nanoseconds; user and system time in /proc/PID/stat count ticks of 10 ms. While a thread runs, its last
    few milliseconds may be missing."""
    clock = ctypes.c_int()
    if error := libc.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


def pss_kib(pid):
    """Memory of a process in KiB, what it shares with others divided by their number."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+) kB$", rollup, re.MULTILINE)[1])


def descriptors(pid):
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
