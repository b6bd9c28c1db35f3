"""Logs in, runs a sleep of 600 seconds, and sends one message of the given number of bytes, which the server does not
read meanwhile. HOST is an address or the path of a Unix socket; with TLS it accepts any certificate."""

import socket
import ssl
import struct
import sys


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def connect(host, port):
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(host)
    return connection


def encrypt(connection):
    connection.sendall(struct.pack("!ii", 8, 80877103))
    assert connection.recv(1) == b"S"
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def receive(connection, count):
    received = b""
    while len(received) < count:
        piece = connection.recv(count - len(received))
        assert piece, "the server has gone"
        received += piece
    return received


host, port, encryption, name, size = sys.argv[1:]
unread = message(b"Q", b"x" * int(size))
connection = connect(host, int(port))
if encryption == "encrypted":
    connection = encrypt(connection)
words = ["user", "postgres", "database", "postgres", "application_name", name, ""]
connection.sendall(message(b"", struct.pack("!i", 3 << 16) + "".join(word + "\0" for word in words).encode()))
kind = b""
while kind != b"Z":
    kind, length = struct.unpack("!ci", receive(connection, 5))
    receive(connection, length - 4)
connection.sendall(message(b"Q", b"SELECT pg_sleep(600)\0"))
connection.sendall(unread)
