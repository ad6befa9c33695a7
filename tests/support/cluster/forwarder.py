"""`python -m support.cluster.forwarder FD HOST PORT`: forwards the connections of an inherited listening socket.

A socket stays in the network namespace in which it was created. A process inside a namespace therefore forwards from
the host with a socket that the host listens on, and the other way round. Exits when its standard input is closed.
"""

import asyncio
import socket
import sys
from contextlib import suppress

CHUNK = 1 << 16


async def main(descriptor: int, host: str, port: int) -> None:
    """Forwards until the standard input is closed."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward_reader, onward_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()  # the client sees a reset, as from a port that nobody listens on
            return
        await asyncio.gather(_copy(reader, onward_writer), _copy(onward_reader, writer))
        for each in (writer, onward_writer):
            each.close()

    await asyncio.start_server(forward, sock=socket.socket(fileno=descriptor))
    await asyncio.to_thread(sys.stdin.buffer.read)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies until the end, and passes the end on. A connection that breaks on one side breaks on the other."""
    try:
        while content := await reader.read(CHUNK):
            writer.write(content)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        with suppress(OSError):
            writer.transport.abort()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
