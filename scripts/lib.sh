# shellcheck shell=bash
# What the scripts share. To be sourced, not run.

# Says why on standard error and ends the script with status 1.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Prints the folder with initdb, postgres and psql: the newest of Debian's, or the one other PostgreSQL packages name.
# Fails when there is none.
postgres_bin() {
    local found
    found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
    [[ -x $found ]] || found=$(pg_config --bindir 2>/dev/null || true)/initdb
    [[ -x $found ]] || found=$(command -v initdb) || return 1
    dirname "$found"
}

# Prints a port, different every time, below the range from which the kernel takes the ports of outgoing connections.
# Nothing reserves it: who uses it has to try another when it turns out to be taken.
some_port() {
    echo $((20000 + (RANDOM << 15 | RANDOM) % 12000))
}
