"""What the measurements share: programs, contenders, accounting, workloads, results. README.md has the list of files."""
