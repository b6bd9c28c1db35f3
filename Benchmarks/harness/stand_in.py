"""Runs stand-in-server.c, for measurements with more sessions or more transactions than PostgreSQL has time for."""

from harness.programs import ROOT, Program, compile_c, fail, free_port


class StandIn(Program):
    """A server that costs next to nothing; psql and pgbench are those of `postgres`."""

    def __init__(self, folder, postgres, threads=1):
        self.client = postgres.client
        program = compile_c(ROOT / "Benchmarks/stand-in-server.c")
        for _ in range(10):
            self.port = free_port()
            super().__init__(folder, program, str(self.port), str(threads))
            if self.wait_for_port(self.port):
                return
            self.stop()
        fail(f"{self.name} did not start\n{self.log.read_text()}")
