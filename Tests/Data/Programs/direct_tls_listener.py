"""Accepts direct TLS in front of a PostgreSQL without support for it, as version 17 and later do: TLS from the first
byte on, whose contents it relays. Arguments: its port, the server's port, certificate, key, and its ALPN protocols.
Prints "ready" when it is."""

import asyncio
import ssl
import sys


async def pass_on(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (OSError, ssl.SSLError):
        pass
    writer.close()


async def main(port, server_port, certificate, key, *protocols):
    async def serve(reader, writer):
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", int(server_port))
        await asyncio.gather(pass_on(reader, server_writer), pass_on(server_reader, writer))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    listener = await asyncio.start_server(serve, "127.0.0.1", int(port), ssl=context)
    print("ready", flush=True)
    await listener.serve_forever()


asyncio.run(main(*sys.argv[1:]))
