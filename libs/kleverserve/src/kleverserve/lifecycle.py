"""The readiness of the server, and the number of requests in flight."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Lifecycle:
    """Ready from the start (the model is loaded before the server listens) until the drain begins."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.in_flight = 0

    @property
    def ready(self) -> bool:
        """True if new requests should be sent to this server."""
        return not self._stopping.is_set()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Count one request as in flight."""
        self.in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self._idle.set()

    def stop(self) -> None:
        """Stop being ready."""
        self._stopping.set()

    async def stopped(self) -> None:
        """Wait until `stop` is called."""
        await self._stopping.wait()

    async def drained(self, *, within: float) -> bool:
        """Wait until no request is in flight; False after a timeout of `within` seconds."""
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
