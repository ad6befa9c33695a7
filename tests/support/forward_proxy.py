"""A forward proxy as companies run it: absolute-form requests and CONNECT, to mapped hosts only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class ForwardProxy:
    """Forwards connections.

    Attributes:
        hosts: host:port as clients know it to host:port on this machine; any other gets 502.
        login: the required Proxy-Authorization; empty if none is.
        requests: the first line of each request, without its version.
    """

    hosts: dict[str, str]
    login: str = ""
    requests: list[str] = field(default_factory=list)
    host: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve on a free port. Yields host:port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self.host
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *headers = head.rstrip().split("\r\n")
            self.requests.append(first.rpartition(" ")[0])
            refusal = self._refusal(first.split()[1], headers)
            if refusal:
                writer.write(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
            else:
                await self._pass_on(first, headers, reader, writer)
        writer.close()

    def _refusal(self, target: str, headers: list[str]) -> str:
        if self.login and f"proxy-authorization: {self.login}" not in {_lower_name(header) for header in headers}:
            return "407 Proxy Authentication Required"
        return "" if _place(target) in self.hosts else "502 not mapped"

    async def _pass_on(
        self, first: str, headers: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        method, target, version = first.split()
        host, _, port = self.hosts[_place(target)].rpartition(":")
        upstream_reader, upstream = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pipe(reader, upstream), _pipe(upstream_reader, writer))
            return
        url = urlsplit(target)
        path = url.path + (f"?{url.query}" if url.query else "")
        kept = [header for header in headers if not header.lower().startswith(("proxy-", "connection:"))]
        upstream.write("\r\n".join([f"{method} {path} {version}", *kept, "", ""]).encode())
        upstream.write(await reader.readexactly(_length(headers)))
        answer = await upstream_reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if method != "HEAD":
            writer.write(await upstream_reader.readexactly(_length(answer.decode().split("\r\n"))))
        upstream.close()
        await reader.read(1)  # the connection supports only one request, and the proxy did not announce that


def _place(target: str) -> str:
    url = urlsplit(target if "://" in target else f"//{target}")
    return f"{url.hostname}:{url.port or 80}"


def _length(headers: list[str]) -> int:
    """The Content-Length of a body in bytes."""
    named = (header.partition(":") for header in headers)
    return next((int(value) for name, _, value in named if name.lower() == "content-length"), 0)


def _lower_name(header: str) -> str:
    name, _, value = header.partition(":")
    return f"{name.lower()}: {value.strip()}"


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    writer.close()
