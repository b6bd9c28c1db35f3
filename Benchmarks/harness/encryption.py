"""On which sides of a contender TLS is spoken, with which certificate, and whether it really is. What contenders are
told for it is in the folder `configurations`."""

import contextlib
import os
import subprocess
from dataclasses import dataclass

from harness.programs import fail, run
from harness.wire import Session

CERTIFICATE, KEY = "server.crt", "server.key"  # in the measurement's folder
# The best that OpenSSL offers, and so what all agree on.
AGREED = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")


@dataclass(frozen=True)
class Encryption:
    """What speaks TLS with a contender; `name` is for the command line and the data, `title` for the reader."""

    name: str
    title: str
    of_server: bool = False
    of_clients: bool = False

    @property
    def is_on(self):
        return self.of_server or self.of_clients

    @property
    def modes(self):
        """What fills in templates of configurations."""
        return {"server_sslmode": sslmode(self.of_server), "client_sslmode": sslmode(self.of_clients)}

    @contextlib.contextmanager
    def clients(self):
        """Meanwhile psql, pgbench and `Session` insist on what is theirs of it, or leave it to the server."""
        if self.is_on:
            os.environ["PGSSLMODE"] = sslmode(self.of_clients)
        try:
            yield
        finally:
            os.environ.pop("PGSSLMODE", None)

    def check(self, contender, server):
        """Fails where something else was agreed on than is to be measured."""
        if self.of_clients:
            with Session(contender.port) as session:
                expect(contender, "its clients", session.socket.version(), session.socket.cipher()[0])
        if self.of_server:
            query = "SELECT version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            options = ["--no-psqlrc", "--no-align", "--tuples-only", "--field-separator", " ", "--command", query]
            words = subprocess.check_output(server.client("psql", contender.port, *options), text=True).split()
            expect(contender, "the server", *words)


PLAIN = Encryption("plain", "no TLS")
TO_SERVER = Encryption("server", "TLS to the server", of_server=True)
ON_BOTH_SIDES = Encryption("both", "TLS on both sides", of_server=True, of_clients=True)


def sslmode(is_encrypted):
    return "require" if is_encrypted else "disable"


def expect(contender, peer, *agreed):
    if agreed != AGREED:
        fail(f"{contender.name} and {peer} agreed on {' '.join(agreed) or 'no TLS'}, not on {' '.join(AGREED)}")


def make_certificate(folder):
    """One for the server and for all contenders, on P-256: what PrivatePostgres needs as its files."""
    files = {name: folder / name for name in (CERTIFICATE, KEY)}
    run(
        ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        + ["-out", files[CERTIFICATE], "-keyout", files[KEY]]
    )
    return files
