# shellcheck shell=bash
# Functions that the scripts share. The file is sourced, not run.

# Prints the reason on standard error and ends the script with status 1.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Prints the folder with initdb, postgres and psql: the newest of Debian's, or the one of other PostgreSQL packages.
# Fails when there is none.
postgres_bin() {
    local found
    found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
    [[ -x $found ]] || found=$(pg_config --bindir 2>/dev/null || true)/initdb
    [[ -x $found ]] || found=$(command -v initdb) || return 1
    dirname "$found"
}

# Prints a port, a different one each time, below the range from which the kernel takes the ports of outgoing
# connections. The port is not reserved: the caller must try another one when it is in use.
some_port() {
    echo $((20000 + (RANDOM << 15 | RANDOM) % 12000))
}
