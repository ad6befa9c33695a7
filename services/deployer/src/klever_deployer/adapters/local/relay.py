"""Relays connections to Envoy, as soon as Envoy listens."""

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address

WAIT_SECONDS = 20.0
"""Longest time that Envoy may take to start."""
POLL_SECONDS = 0.01
CHUNK = 64 * 1024


class Relay:
    """Relays one accepted connection for each call.

    Args:
        name: the abstract Unix socket on which Envoy accepts connections that begin with a PROXY header.
    """

    def __init__(self, name: str) -> None:
        self._address = f"\0{name}"

    async def __call__(self, connection: socket.socket) -> None:
        """Returns when Envoy has closed the connection, or has not started in time."""
        connection.settimeout(0)
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            with suppress(OSError):  # either side may reset the connection
                await self._pass_on(reader, writer)
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, envoy = await asyncio.open_unix_connection(sock=await self._reach())
        try:
            client, here = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
            if client and here:  # otherwise the client has disconnected
                envoy.write(_proxy_header(client, here))
                await _exchange((reader, envoy), (answers, writer))
        finally:
            envoy.close()

    async def _reach(self) -> socket.socket:
        """Connect to Envoy, as soon as it listens. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(0)
                try:
                    await loop.sock_connect(connection, self._address)
                except BaseException as error:
                    connection.close()
                    if not isinstance(error, OSError):
                        raise
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    return connection


async def _exchange(
    requests: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    answers: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Copy in both directions until the responses end."""
    asking = asyncio.create_task(_pump(*requests))
    try:
        await _pump(*answers)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of the stream, and then end the writer's stream."""
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()


def _proxy_header(client: tuple[str, int], here: tuple[str, int]) -> bytes:
    """The client's address as a header of HAProxy's PROXY protocol, version 1."""
    family = f"TCP{ip_address(client[0].partition('%')[0]).version}"
    return f"PROXY {family} {client[0]} {here[0]} {client[1]} {here[1]}\r\n".encode()
