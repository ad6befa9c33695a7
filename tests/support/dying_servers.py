"""Model servers that exit while they have requests."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from klever_deployer.adapters.local.replica_specs import Endpoint
from support.processes import answers, free_port
from support.waiting import eventually

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, ACK, END_HEADERS = 1, 1, 4
STATUS_200 = b"\x88"
"""An index of HPACK's static table."""


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field of HPACK without indexing."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


GRPC_HEADERS = STATUS_200 + _literal(b"content-type", b"application/grpc")
GRPC_OK = _literal(b"grpc-status", b"0")


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class GrpcServer:
    """Answers every call with its name. While `dies` is set, closes the connection once it has read the call."""

    def __init__(self, name: str, *, dies: bool = False) -> None:
        self.name = name
        self.dies = dies
        self.requests = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> Endpoint:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = int(self._server.sockets[0].getsockname()[1])
        return Endpoint("127.0.0.1", port, grpc_port=port)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._converse(reader, writer)
        finally:
            writer.close()  # also if the test's loop ends first

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(PREFACE))
        writer.write(_frame(SETTINGS, 0, 0))
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind in {SETTINGS, PING} and not flags & ACK:
                writer.write(_frame(kind, ACK, 0, payload if kind == PING else b""))
            elif kind in {HEADERS, DATA} and flags & END_STREAM:
                self.requests += 1
                if self.dies:
                    writer.transport.abort()
                    return
                self._answer(writer, stream)

    def _answer(self, writer: asyncio.StreamWriter, stream: int) -> None:
        message = b"\0" + len(self.name).to_bytes(4, "big") + self.name.encode()
        writer.write(_frame(HEADERS, END_HEADERS, stream, GRPC_HEADERS))
        writer.write(_frame(DATA, 0, stream, message))
        writer.write(_frame(HEADERS, END_HEADERS | END_STREAM, stream, GRPC_OK))


SLOW_SERVER = """
import http.server, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        threading.Event().wait(0.02)
        answer = sys.argv[1].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *_): ...
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class SlowServer:
    """A process that answers after a delay, so that it always has open requests when it is killed."""

    def __init__(self) -> None:
        self.endpoint = Endpoint("127.0.0.1", free_port())
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return once it accepts requests."""
        command = (sys.executable, "-c", SLOW_SERVER, str(self.endpoint.port))
        self._process = await asyncio.create_subprocess_exec(*command)

        async def takes_requests() -> bool:
            return await asyncio.to_thread(answers, self.endpoint.port)

        await eventually(takes_requests, within=30)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


@asynccontextmanager
async def two_slow_servers() -> AsyncIterator[tuple[SlowServer, SlowServer]]:
    servers = SlowServer(), SlowServer()
    try:
        for server in servers:
            await server.start()
        yield servers
    finally:
        for server in servers:
            await server.kill()
