"""Hand-written HTTP/1.1, for requests that no client library sends."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """An answer to a request."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON; the answer must declare that type."""
        assert (self.header("content-type") or "").partition(";")[0] == "application/json", self
        return self.json()

    def json(self) -> dict[str, Any]:
        """The body as JSON, with any declared type."""
        document: dict[str, Any] = json.loads(self.body)
        return document


def head(method: str, path: str, *headers: tuple[str, str], host: str = "test") -> bytes:
    """A request up to its body."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(body: bytes, size: int = 65536) -> bytes:
    """The body in chunks."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


async def exchange(url: str, *parts: bytes) -> Answer:
    """Send these parts on a new connection. Return the final answer, even if not everything could be sent."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    sending = asyncio.create_task(_send(writer, parts))
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await read_answer(reader)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        if writer.transport.get_write_buffer_size():
            writer.transport.abort()  # a server that has refused the request reads no more: `close` would wait for it
        else:
            writer.close()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Return the next answer that is not interim."""
    while True:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(first.split()[1])
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]
        if status >= 200:
            return Answer(status, headers, await _body(reader, {name.lower(): value for name, value in headers}))


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    return await reader.read()


async def _send(writer: asyncio.StreamWriter, parts: tuple[bytes, ...]) -> None:
    for part in parts:
        writer.write(part)
        await writer.drain()
