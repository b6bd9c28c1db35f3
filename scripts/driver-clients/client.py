"""Runs a statement with psycopg2, psycopg or pg8000; exits by SystemExit on SIGABRT, as a worker of gunicorn does."""

import contextlib
import importlib
import signal
import sys
import threading
import time

driver, way, port, statement = sys.argv[1:]
connect = importlib.import_module(driver).connect
connection = connect(host="127.0.0.1", port=int(port), user="postgres")


def close():
    sys.stdin.readline()
    connection.close()


signal.signal(signal.SIGABRT, lambda *_: sys.exit(1))
if way == "close() in another thread":
    threading.Thread(target=close, daemon=True).start()
with contextlib.suppress(Exception):
    connection.cursor().execute(statement)
time.sleep(60)
