"""The ways to the server that are compared: programs with one thread that relays, and `direct`, no program at all; and
on which of their sides TLS is spoken. What they are told is in the folder `configurations`."""

import contextlib
import os
import pathlib
import shutil
import string
import time
from dataclasses import asdict, dataclass, field

from harness.programs import PGLEASH, ROOT, Program, compile_c, fail, free_port, run
from harness.wire import Session

CERTIFICATE, KEY = "server.crt", "server.key"  # in the measurement's folder
AGREED = ["TLSv1.3", "TLS_AES_256_GCM_SHA384"]  # the best that OpenSSL offers, and therefore the common result


@dataclass(frozen=True)
class Encryption:
    """The TLS peers of a contender; `name` is for the command line and the data, `title` for the reader."""

    name: str
    title: str
    server_sslmode: str
    client_sslmode: str

    def check(self, contender, server):
        """Fails where the result of the TLS negotiation is not the one to be measured."""
        agreed = []
        if self.client_sslmode == "require":
            with contextlib.closing(Session(contender.port)) as session:
                agreed.append(["its clients", session.socket.version(), session.socket.cipher()[0]])
        if self.server_sslmode == "require":
            query = "SELECT version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            agreed.append(["the server", *server.psql(contender.port, query).split("|")])
        for peer, *words in agreed:
            if words != AGREED:
                fail(f"{contender.name} and {peer} agreed on {' '.join(words) or 'no TLS'}, not on {' '.join(AGREED)}")


PLAIN = Encryption("plain", "no TLS", "disable", "disable")
TO_SERVER = Encryption("server", "TLS to the server", "require", "disable")
ON_BOTH_SIDES = Encryption("both", "TLS on both sides", "require", "require")


def make_certificate(folder):
    """One certificate for the server and for all contenders, on P-256: the files that PrivatePostgres needs."""
    files = {name: folder / name for name in (CERTIFICATE, KEY)}
    subject = ["-days", "2", "-subj", "/CN=localhost", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    run(["openssl", "req", "-x509", "-nodes", *subject, "-out", files[CERTIFICATE], "-keyout", files[KEY]])
    return files


@dataclass(eq=False)
class Contender:
    """A way to the server: within start() its port leads there. One start may follow another.

    Its command is a program, or a C file to compile, and words to fill in, the names of configurations among them."""

    name: str
    command: list
    version_option: str = None
    settings: dict = field(default_factory=dict)  # values in the configuration
    unfit_for: str = None  # a kind of workloads, or the end of their names, that it does not fit
    port = pid = None  # pid stays None for one that is not a program

    @contextlib.contextmanager
    def start(self, server_port, folder, encryption=PLAIN):
        """Starts it in front of the server. A port is not reserved, so this tries several."""
        if not self.command:
            self.port = server_port
            yield self
            return
        for _ in range(10):
            with Program(folder, *self.filled_command(server_port, folder, encryption)) as program:
                if program.wait_for_port(self.port):
                    self.pid = program.pid
                    yield self
                    return
        fail(f"{self.name} did not start\n{program.log.read_text()}")

    def filled_command(self, server_port, folder, encryption=PLAIN):
        """The command that starts it at a port that is chosen here; configurations are written into the folder."""
        self.port = free_port()
        values = self.settings | asdict(encryption) | {"certificate": folder / CERTIFICATE, "key": folder / KEY}
        values |= {"port": self.port, "server": server_port, "middle": free_port()}
        words = [self.find()]
        for word in self.command[1:]:
            word = string.Template(word).substitute(values)
            template = ROOT / "Benchmarks/configurations" / word
            if template.is_file():
                word = folder / word
                word.write_text(string.Template(template.read_text()).substitute(values))
            words.append(word)
        return words

    def find(self):
        """The path of its program."""
        program = pathlib.Path(self.command[0])
        if program.suffix == ".c":
            return compile_c(program.stem)
        path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
        return path or fail(f"there is no {program}; make build or scripts/install-dependencies bench brings it")

    def cpu_seconds(self):
        """CPU time so far of all threads, those that have ended included, 0 for one that is no program.

        The scheduler counts nanoseconds; user and system time in /proc/PID/stat count ticks of 10 ms. While a thread
        runs, its last few milliseconds may be missing."""
        return time.clock_gettime(~self.pid << 3 | 2) if self.pid else 0.0  # the clock of clock_getcpuclockid()


class Pgleash(Contender):
    """The program of `make build`, or another, with these lines after those of pgleash.conf."""

    def __init__(self, program=PGLEASH, options=("--workers", "1"), settings=""):
        # Without --config it would read /etc/pgleash/pgleash.conf.
        words = ["--config", "pgleash.conf", "--listen", "127.0.0.1:$port", "--server", "127.0.0.1:$server", *options]
        super().__init__("pgleash", [program, *words], "--version", {"lines": settings})


DIRECT = Contender("direct", [])
NULL_RELAY = Contender("null relay", ["null-relay.c", "$port", "$server"])  # the floor
# In session mode: it reuses server connections. As root it runs as the user nobody, since it refuses to be root.
IDENTITY = ["-u", "nobody"] if os.geteuid() == 0 else []
PGBOUNCER = Contender("PgBouncer", ["pgbouncer", *IDENTITY, "pgbouncer.ini"], "--version", unfit_for="connect")
# With a thread for each session, as Debian builds it. Without TLS it is not compared.
STUNNEL = Contender("stunnel", ["stunnel4", "stunnel-$name.conf"], "-version")
HAPROXY = Contender("HAProxy", ["haproxy", "-db", "-f", "haproxy.cfg"], "-v", {"splice": "option splice-auto"})
# The same with splice() for every byte, since splice-auto hardly uses it. Small messages take more system calls then.
ALWAYS = {"splice": "option splice-request\n    option splice-response"}
SPLICING_HAPROXY = Contender("HAProxy splicing", HAPROXY.command, None, ALWAYS, unfit_for="transactions")


def stand_in(threads):
    """A server for measurements with more sessions or transactions than PostgreSQL has time for."""
    return Contender("stand-in", ["stand-in-server.c", "$port", str(threads)])
