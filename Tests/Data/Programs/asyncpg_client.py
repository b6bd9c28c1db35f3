"""Cancels a query with asyncpg, shows that the connection still works, and runs a query until it is killed.
DATABASE_URL names the server."""

import asyncio
import os

import asyncpg


async def main():
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    try:
        await asyncio.wait_for(connection.execute("SELECT pg_sleep(600)"), timeout=0.5)
    except TimeoutError:
        print("cancelled a task", flush=True)
    print(await connection.fetchval("SELECT 'alive'"), flush=True)
    await connection.execute("SELECT pg_sleep(600)")


asyncio.run(main())
