"""Work that only one replica of a service may do at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from .lease_state import LeaseStatus
from .leases import Lease
from .loops import Loop
from .tasks import cancel


async def while_leading(lease: Lease, run: Loop) -> None:
    """Run a loop while the lease is held; it is cancelled and has ended before another replica may start.

    Returns when `run` returns, and raises its exceptions.
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


async def _call(run: Loop) -> None:
    await run()


class Leadership:
    """The leadership of a service whose replicas are active only while they hold the lease, and exit when they lose it.

    Args:
        lease: the lease of the service.
        lead: entered once the lease is held, to start the replica as the leader; exited before the lease is released.
        lost: the statuses at which the replica must exit. A service that protects its resources by a lock of the
            machine can continue after an expiry, which an outage of NATS also causes.
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
        """Wait for the lease, and lead while the block runs."""
        await self._lease.until(LeaseStatus.HELD)
        self._is_leading.set()
        async with self._lead():
            yield

    async def lost(self) -> None:
        """Wait until the lease is lost."""
        await self._is_leading.wait()
        await self._lease.until(*self._lost)
