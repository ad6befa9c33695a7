"""Keeps the port of the ingress open while Envoy restarts, so that no connection is refused. See ADR 0020."""

import asyncio
import ctypes
import socket
import struct
import sys

import structlog

from .relay import Relay

log = structlog.get_logger(__name__)

BACKLOG = 4096
MOST_RELAYED = 1000
"""Connections that the deployer holds at a time; others wait in the kernel."""
PAUSE_SECONDS = 0.1
SO_ATTACH_REUSEPORT_CBPF = 51
"""See socket(7); Python's socket module does not have it."""
RETURN_CONSTANT = 0x06
"""BPF_RET | BPF_K: returns the index of a socket among those that share the port."""


class HeldPort:
    """A second listening socket on the port of the ingress.

    Both sockets set SO_REUSEPORT, and a filter makes the kernel assign every connection to Envoy's socket while it
    exists. At other times the kernel completes connections for this socket, which accepts them and relays them to Envoy
    once it listens. Only Linux supports such filters; on other systems the port is not held.

    Args:
        host: address of the ingress.
        port: port of the ingress.
        relay: relays accepted connections to Envoy.
    """

    def __init__(self, host: str, port: int, relay: Relay) -> None:
        self._host = host
        self._port = port
        self._relay = relay
        self._socket: socket.socket | None = None
        self._held = asyncio.Event()
        self._slots = asyncio.Semaphore(MOST_RELAYED)
        self._relays: set[asyncio.Task[None]] = set()

    def is_held(self) -> bool:
        """Return whether connections are accepted while Envoy is down."""
        return self._socket is not None

    def hold(self, *, envoy_listens: bool) -> None:
        """Hold the port from now on.

        Args:
            envoy_listens: whether Envoy already listens; sockets are numbered in the order in which they listened.
        """
        if sys.platform != "linux":
            return
        try:
            if self._socket is None:
                self._socket = _listen(self._host, self._port)
            _attach_filter(self._socket, 0 if envoy_listens else 1)
        except OSError as error:
            log.warning("connections are refused while envoy restarts", error=str(error))
            self.release()
        else:
            self._held.set()

    def release(self) -> None:
        """Close the socket."""
        self._held.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def run(self) -> None:
        """Relay accepted connections until cancelled; then close the socket."""
        try:
            while True:
                await self._held.wait()
                await self._slots.acquire()
                await self._take_one()
        finally:
            self.release()
            for relay in self._relays:
                relay.cancel()
            await asyncio.gather(*self._relays, return_exceptions=True)

    async def _take_one(self) -> None:
        relay: asyncio.Task[None] | None = None
        try:
            if self._socket is not None:
                connection, _ = await asyncio.get_running_loop().sock_accept(self._socket)
                relay = asyncio.create_task(self._relay(connection))
                self._relays.add(relay)
                relay.add_done_callback(self._relayed)
        except OSError as error:
            log.warning("connection not accepted", error=str(error))  # file descriptors are exhausted
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            if relay is None:
                self._slots.release()

    def _relayed(self, relay: asyncio.Task[None]) -> None:
        self._relays.discard(relay)
        self._slots.release()


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.settimeout(0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _attach_filter(listener: socket.socket, place: int) -> None:
    """Make the kernel assign connections to the socket with this index, or to any socket if it does not exist.

    Raises:
        OSError: the kernel does not support such filters.
    """
    instructions = ctypes.create_string_buffer(struct.pack("HBBI", RETURN_CONSTANT, 0, 0, place))
    program = struct.pack("HP", 1, ctypes.addressof(instructions))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program)
