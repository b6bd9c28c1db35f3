"""Stops one thread of a process, as a debugger does, until it is killed itself. Arguments: the process and the name of
the thread. Prints "stopped" when it is."""

import ctypes
import pathlib
import signal
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


process, name = sys.argv[1:]
tasks = pathlib.Path(f"/proc/{process}/task").iterdir()
(thread,) = [int(task.name) for task in tasks if (task / "comm").read_text().strip() == name]
ptrace(PTRACE_SEIZE, thread)
ptrace(PTRACE_INTERRUPT, thread)
libc.waitpid(thread, None, WALL)
print("stopped", flush=True)
signal.pause()
