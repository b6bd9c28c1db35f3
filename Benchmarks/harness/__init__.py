"""What the measurements share: programs, contenders, accounting, workloads, results. README.md lists the files."""
