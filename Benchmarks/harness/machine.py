"""Says on what something was measured, and with which versions."""

import datetime
import os
import pathlib
import platform
import re

from harness.programs import version


def note(server, contenders):
    """Date, versions and machine, in a line."""
    versions = [("PostgreSQL", version(server.bin / "postgres", "--version"))]
    versions += [(contender.name, contender.version()) for contender in contenders if not contender.is_for_bulk_only]
    words = [datetime.date.today().isoformat(), *[f"{name} {number}" for name, number in versions if number]]
    load = f"load average before {os.getloadavg()[0]:.1f}"
    return ", ".join([*words, f"Linux {platform.release()}", f"{os.cpu_count()} × {processor()}", load])


def processor():
    match = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match[1] if match else platform.machine()
