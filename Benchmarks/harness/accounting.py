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
    return memory_kib(pid, "Pss")


def anonymous_kib(pid):
    """The part of it that comes from no file: heaps and stacks. For what the rest counts, that changes whenever another
    program that shares a library comes or goes."""
    return memory_kib(pid, "Pss_Anon")


def memory_kib(pid, name):
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{name}: +(\d+) kB$", rollup, re.MULTILINE)[1])


def descriptors(pid):
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
