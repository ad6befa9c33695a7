"""Work that one replica of a service does at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from .lease_state import LeaseStatus
from .leases import Lease
from .loops import BackgroundLoop, Loop
from .tasks import cancel


async def while_leading(lease: Lease, run: Loop) -> None:
    """Run this whenever the lease is held; it is cancelled, and has ended, before another replica may begin.

    Returns when `run` returns; raises what it raises.
    """
    while True:
        await lease.until(LeaseStatus.HELD)
        lost = asyncio.create_task(lease.until(LeaseStatus.STANDBY, LeaseStatus.EXPIRED))
        running = asyncio.create_task(_call(run))
        try:
            await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
        finally:
            await cancel([running, lost])


async def run_together(loops: Iterable[Loop]) -> None:
    """Run these loops until cancelled; one that fails is restarted, and stops no other."""
    tasks = [asyncio.create_task(BackgroundLoop(loop).forever()) for loop in loops]
    try:
        await asyncio.gather(*tasks)
    finally:
        await cancel(tasks)


async def _call(run: Loop) -> None:
    await run()


class Leadership:
    """For a service of which a replica works only while it holds the lease; one that has lost it exits.

    Args:
        lease: of the service.
        lead: entered once the lease is held: makes the replica what it is as the leader. Left before it is released.
        lost: when the replica must exit. What guards its resources by a lock of the machine may outlast an expiry, for
            which NATS being away is enough.
    """

    def __init__(
        self,
        lease: Lease,
        lead: Callable[[], AbstractAsyncContextManager[None]],
        *,
        lost: Iterable[LeaseStatus] = (LeaseStatus.STANDBY, LeaseStatus.EXPIRED),
    ) -> None:
        self._lease = lease
        self._lead = lead
        self._lost = tuple(lost)
        self._is_leading = asyncio.Event()

    @asynccontextmanager
    async def acquired(self) -> AsyncIterator[None]:
        """Wait for the lease, and lead for as long as the block runs."""
        await self._lease.until(LeaseStatus.HELD)
        self._is_leading.set()
        async with self._lead():
            yield

    async def lost(self) -> None:
        """Wait until the lease that was held is lost."""
        await self._is_leading.wait()
        await self._lease.until(*self._lost)
