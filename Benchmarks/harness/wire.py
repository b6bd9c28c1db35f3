"""A client that reads answers as fast as they come and throws them away, or connects and stays idle. psql and pgbench
keep results in memory; 1 GB of them would measure that."""

import os
import socket
import ssl
import struct

READY = b"Z\x00\x00\x00\x05I"  # ReadyForQuery outside of a transaction, the end of each answer
PROTOCOL = 3 << 16
SSL_REQUEST = struct.pack("!ii", 8, 1234 << 16 | 5679)
TIMEOUT = 60.0  # seconds without a byte of a reply
TERMINATE = b"X\x00\x00\x00\x04"


def message(kind, body):
    """A message of the protocol."""
    return kind + struct.pack("!i", 4 + len(body)) + body


class Session:
    """A session of the user postgres, encrypted where PGSSLMODE=require, as psql and pgbench are, and else not."""

    # It accepts any certificate, as libpq does with sslmode=require.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    buffer = bytearray(1 << 20)  # one for all, since its contents are not kept

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if os.environ.get("PGSSLMODE") == "require":
            self.socket.sendall(SSL_REQUEST)
            if self.socket.recv(1) != b"S":
                raise ConnectionError("no TLS is spoken there")
            self.socket = self.context.wrap_socket(self.socket)
        parameters = b"user\0postgres\0database\0postgres\0\0"
        self.socket.sendall(struct.pack("!ii", 8 + len(parameters), PROTOCOL) + parameters)
        self.discard(b"R")

    def query(self, text):
        """Runs a query with a result, and returns the number of its bytes."""
        self.send_query(text)
        return self.discard(b"T")

    def send_query(self, text):
        """Sends a query, and leaves the reply unread."""
        self.socket.sendall(message(b"Q", text.encode() + b"\0"))

    def discard(self, expected):
        """Reads a reply, the first message of which must be of the expected type, and returns its bytes."""
        count, tail = 0, b""
        while tail != READY:
            received = self.socket.recv_into(self.buffer)
            if received == 0:
                raise ConnectionError("the server closed the connection")
            if count == 0 and self.buffer[:1] != expected:
                raise RuntimeError(f"unexpected answer: {bytes(self.buffer[:received])!r}")
            count += received
            tail = (tail + bytes(self.buffer[max(0, received - len(READY)) : received]))[-len(READY) :]
        return count

    def close(self):
        self.socket.sendall(TERMINATE)
        self.socket.close()
