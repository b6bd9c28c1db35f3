"""A typical WSGI application: each request is one connection, one transaction and one query, which takes the number of
seconds in the path, such as /60. DRIVER is the module for the connection, psycopg or psycopg2; DATABASE_URL names the
server."""

import importlib
import os

driver = importlib.import_module(os.environ["DRIVER"])


def app(environ, start_response):
    seconds = float(environ["PATH_INFO"].strip("/"))
    with driver.connect(os.environ["DATABASE_URL"]) as connection:
        connection.cursor().execute("SELECT pg_sleep(%s)", [seconds])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done\n"]
