"""The ways to the server that are compared: programs with one thread that relays, and `direct`, no program at all."""

import contextlib
import os
import pathlib
import shutil
import string

from harness.accounting import cpu_seconds
from harness.encryption import CERTIFICATE, KEY, PLAIN
from harness.programs import ROOT, Program, compile_c, fail, free_port, version

CONFIGURATIONS = ROOT / "Benchmarks/configurations"


class Contender:
    """A way to the server: from start() to stop() its port leads there. Start and stop may follow each other again."""

    name = None
    reuses_server_connections = False
    is_for_bulk_only = False

    def __init__(self):
        self.port = None
        self.pid = None  # None as well for one that is no program
        self.encryption = PLAIN
        self._program = None

    def start(self, server_port, folder, encryption=PLAIN):
        """Starts it in front of the server. Nothing reserves a port, so this tries several."""
        self.encryption = encryption
        for _ in range(10):
            self.port = free_port()
            self._program = Program(folder, *self.command(server_port, folder))
            with contextlib.ExitStack() as otherwise:
                otherwise.callback(self._program.stop)
                if self._program.wait_for_port(self.port):
                    otherwise.pop_all()
                    self.pid = self._program.pid
                    return self
        fail(f"{self.name} did not start\n{self._program.log.read_text()}")

    def stop(self):
        self._program.stop()
        self.port = self.pid = self._program = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def command(self, server_port, folder):
        """The words that start it at `self.port`."""
        raise NotImplementedError

    def cpu_seconds(self):
        """CPU time so far, 0 for one that is no program."""
        return 0.0 if self.pid is None else cpu_seconds(self.pid)

    def version(self):
        """None for what has none."""
        return None

    def configure(self, template, server_port, folder, **settings):
        """Fills in a file of the folder `configurations`, and returns the path of the result."""
        text = string.Template((CONFIGURATIONS / template).read_text())
        path = pathlib.Path(folder, template)
        tls = {"certificate": path.with_name(CERTIFICATE), "key": path.with_name(KEY), **self.encryption.modes}
        path.write_text(text.substitute(settings, **tls, port=self.port, server=server_port))
        return path


class Direct(Contender):
    """The server itself."""

    name = "direct"

    def start(self, server_port, folder, encryption=PLAIN):
        self.port = server_port
        return self

    def stop(self):
        self.port = None


class Pgleash(Contender):
    """The program of `make build`, or another, with these lines behind those of pgleash.conf."""

    name = "pgleash"

    def __init__(self, program=ROOT / ".build/release/pgleash", options=("--workers", "1"), settings=""):
        super().__init__()
        self.program = program
        self.options = options
        self.settings = settings

    def command(self, server_port, folder):
        self.require_program()
        configuration = self.configure("pgleash.conf", server_port, folder)  # not /etc/pgleash/pgleash.conf
        with open(configuration, "a") as file:
            file.write(self.settings)
        addresses = ["--listen", f"127.0.0.1:{self.port}", "--server", f"127.0.0.1:{server_port}"]
        return [self.program, "--config", configuration, *addresses, *self.options]

    def version(self):
        self.require_program()
        return version(self.program, "--version")

    def require_program(self):
        if not os.access(self.program, os.X_OK):
            fail(f"there is no {self.program}; make build builds it")


class NullRelay(Contender):
    """The floor: null-relay.c."""

    name = "null relay"

    def command(self, server_port, folder):
        return [compile_c(ROOT / "Benchmarks/null-relay.c"), str(self.port), str(server_port)]


class PgBouncer(Contender):
    """In session mode. It runs as nobody where we are root, since it refuses to be root."""

    name = "PgBouncer"
    reuses_server_connections = True

    def command(self, server_port, folder):
        identity = ["-u", "nobody"] if os.geteuid() == 0 else []
        return [find("pgbouncer"), *identity, self.configure("pgbouncer.ini", server_port, folder)]

    def version(self):
        return version(find("pgbouncer"), "--version")


class Stunnel(Contender):
    """With a thread for each session, as Debian builds it. Without TLS it is none."""

    name = "stunnel"

    def command(self, server_port, folder):
        template = f"stunnel-{self.encryption.name}.conf"
        return [find("stunnel4"), self.configure(template, server_port, folder, middle=free_port())]

    def version(self):
        return version(find("stunnel4"), "-version")


class HAProxy(Contender):
    """In TCP mode, with splice-auto."""

    name = "HAProxy"
    splice = "option splice-auto"

    def command(self, server_port, folder):
        return [find("haproxy"), "-db", "-f", self.configure("haproxy.cfg", server_port, folder, splice=self.splice)]

    def version(self):
        return version(find("haproxy"), "-v")


class SplicingHAProxy(HAProxy):
    """The same with splice() for every byte, since splice-auto hardly uses it. For bulk alone: for what is small it
    takes more system calls."""

    name = "HAProxy splicing"
    splice = "option splice-request\n    option splice-response"
    is_for_bulk_only = True


def find(program):
    """The path of a program of one of Debian's packages."""
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if path is None:
        fail(f"there is no {program}; scripts/install-dependencies bench installs it")
    return path


CONTENDERS = (Direct, Pgleash, NullRelay, PgBouncer, HAProxy, SplicingHAProxy)


def all_contenders():
    """One of each."""
    return [contender() for contender in CONTENDERS]
