"""What is compared where TLS is spoken, and what is to be reached there."""

from harness.comparison import Comparison
from harness.contenders import PgBouncer, Pgleash, Stunnel
from harness.encryption import ON_BOTH_SIDES, TO_SERVER
from harness.goals import Goal
from harness.idle import Idle
from harness.workloads import WORKLOADS

TRANSACTIONS = ("simple-8", "prepared-8", "simple-64")
CONNECT = ("connect",)
BULK = ("copy-out", "copy-in")
IDLE = Idle("idle", "1,000 idle sessions", 1000)

CARRIED = [workload for workload in WORKLOADS if workload.name in TRANSACTIONS + CONNECT + BULK]


def goals(encryption):
    """At most what the better of the others costs: so, what each of them costs."""
    figures = [("CPU per transaction", TRANSACTIONS), ("CPU per connection", CONNECT), ("CPU per 100 MB", BULK)]
    for title, workloads in figures:
        names = tuple(f"{encryption.name}-{name}" for name in workloads)
        for other in (PgBouncer, Stunnel):
            if not (workloads == CONNECT and other.reuses_server_connections):
                yield Goal(title, "cpu", names, "at most", 1.00, other.name)


TLS = Comparison(
    "tls",
    "make tls-bench",
    "What TLS costs",
    [Pgleash(), PgBouncer(), Stunnel()],
    [
        *[workload.encrypted(encryption) for encryption in (TO_SERVER, ON_BOTH_SIDES) for workload in CARRIED],
        IDLE.encrypted(ON_BOTH_SIDES),
    ],
    [
        *goals(TO_SERVER),
        *goals(ON_BOTH_SIDES),
        Goal("memory of an idle session", "memory", ("both-idle",), "at most", 1.00, PgBouncer.name),
    ],
)
