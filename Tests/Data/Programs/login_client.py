"""Logs in as each user named on the command line, and prints who the server says it is. DRIVER is the module it
connects with, psycopg or asyncpg; libpq's variables say where to."""

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
