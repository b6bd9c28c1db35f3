"""Says on what something was measured, and with which versions."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

from harness.programs import ROOT, version


def note(server, contenders):
    """Date, commit, versions and machine, in a line."""
    versions = [("PostgreSQL", version(server.bin / "postgres", "--version"))]
    versions += [(contender.name, contender.version()) for contender in contenders if not contender.is_for_bulk_only]
    words = [datetime.date.today().isoformat(), *commit(), *[f"{name} {number}" for name, number in versions if number]]
    load = f"load average before {os.getloadavg()[0]:.1f}"
    return ", ".join([*words, f"Linux {platform.release()}", f"{os.cpu_count()} × {processor()}", load])


def commit():
    """What is checked out, as a list of one; of none without git, as in a tarball. Results alone don't make it dirty:
    the measurement before this one has just written its own."""
    results = ["--", ".", ":(exclude)Benchmarks/results"]
    try:
        name, changes = git("describe", "--always"), git("status", "--porcelain", "--untracked-files=no", *results)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [f"commit {name}{'-dirty' if changes else ''}"]


def git(*words):
    # It shall not find a repository around a tarball's folder.
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(ROOT.parent)}
    command = ["git", "-C", ROOT, *words]
    return subprocess.check_output(command, env=environment, stderr=subprocess.DEVNULL, text=True).strip()


def processor():
    match = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match[1] if match else platform.machine()
