"""Passes a connection on to Envoy, as soon as Envoy listens."""

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address

WAIT_SECONDS = 20.0
"""As long as a start of Envoy may take."""
POLL_SECONDS = 0.01
CHUNK = 64 * 1024


class Relay:
    """Takes accepted connections, one a call.

    Args:
        name: of the abstract Unix socket on which Envoy takes them, each begun with a PROXY header.
    """

    def __init__(self, name: str) -> None:
        self._address = f"\0{name}"

    async def __call__(self, connection: socket.socket) -> None:
        """Returns when Envoy has closed the connection, or does not listen in time."""
        connection.settimeout(0)
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            with suppress(OSError):  # a reset by either side ends it
                await self._pass_on(reader, writer)
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, envoy = await asyncio.open_unix_connection(sock=await self._reach())
        try:
            client, here = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
            if client and here:  # else the client has left
                envoy.write(_proxy_header(client, here))
                await _exchange((reader, envoy), (answers, writer))
        finally:
            envoy.close()

    async def _reach(self) -> socket.socket:
        """A connection to Envoy, as soon as it listens. Raises TimeoutError."""
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
    """Copy both ways until the answers end."""
    asking = asyncio.create_task(_pump(*requests))
    try:
        await _pump(*answers)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end, which is passed on too."""
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()


def _proxy_header(client: tuple[str, int], here: tuple[str, int]) -> bytes:
    """Who the client is: version 1 of the PROXY protocol of HAProxy."""
    family = f"TCP{ip_address(client[0].partition('%')[0]).version}"
    return f"PROXY {family} {client[0]} {here[0]} {client[1]} {here[1]}\r\n".encode()
