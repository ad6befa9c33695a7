"""Work that one replica of a service does at a time."""

import asyncio
from collections.abc import Iterable

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


async def run_together(loops: Iterable[BackgroundLoop]) -> None:
    """Run these loops until cancelled."""
    tasks = [asyncio.create_task(loop.forever()) for loop in loops]
    try:
        await asyncio.gather(*tasks)
    finally:
        await cancel(tasks)


async def _call(run: Loop) -> None:
    await run()
