"""Logs in as each user on the command line, and prints the user in the server's view. DRIVER is the module for the
connection, psycopg or asyncpg; libpq's variables name the server."""

import asyncio
import os
import sys


async def asyncpg_user(user):
    import asyncpg

    connection = await asyncpg.connect(user=user, ssl=False)
    try:
        return await connection.fetchval("SELECT current_user")
    finally:
        await connection.close()


def psycopg_user(user):
    import psycopg

    with psycopg.connect(f"user={user}") as connection:
        return connection.execute("SELECT current_user").fetchone()[0]


for name in sys.argv[1:]:
    print(asyncio.run(asyncpg_user(name)) if os.environ["DRIVER"] == "asyncpg" else psycopg_user(name))
