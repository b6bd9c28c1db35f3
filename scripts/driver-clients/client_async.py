"""Runs a statement with asyncpg, or with psycopg in its asynchronous form; exits by SystemExit on SIGABRT."""

import asyncio
import signal
import sys

import asyncpg
import psycopg

driver, way, port, statement = sys.argv[1:]


async def connect():
    if driver == "asyncpg":
        return await asyncpg.connect(host="127.0.0.1", port=int(port), user="postgres", database="postgres")
    return await psycopg.AsyncConnection.connect(f"host=127.0.0.1 port={port} user=postgres")


async def main():
    connection = await connect()
    query = asyncio.create_task(connection.execute(statement))
    closing = []

    def leave():
        sys.stdin.readline()
        if way == "close() in another task":
            closing.append(asyncio.create_task(connection.close()))
        else:
            query.cancel()

    asyncio.get_running_loop().add_reader(sys.stdin, leave)
    try:
        await query
    except (Exception, asyncio.CancelledError):
        if way.startswith("SIG"):
            raise
    await asyncio.sleep(60)


signal.signal(signal.SIGABRT, lambda *_: sys.exit(1))
asyncio.run(main())
