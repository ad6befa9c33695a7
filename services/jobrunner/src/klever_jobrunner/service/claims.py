"""No job is done twice at a time: who works on it shows signs of life, and nobody else begins it meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from klever_jobrunner.domain import life
from klever_jobrunner.domain.life import Claim
from kleverkit.documents import Stored
from kleverproto.jobs import JobDocument, JobPhase

from .ledger import Ledger, Recorded

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Claims:
    """Claims on jobs, in their documents.

    Attributes:
        ledger: has the documents.
        renew_seconds: how often an attempt shows a sign of life.
        lapse_seconds: a claim without one for this long is void. Measured by whoever waits, so that no clocks are
            compared.
    """

    ledger: Ledger
    renew_seconds: float = 5.0
    lapse_seconds: float = 30.0

    @asynccontextmanager
    async def renewed(self, job: JobDocument, lost: Callable[[], None]) -> AsyncIterator[None]:
        """Hold the claim for the length of the block; `lost` is called when it does not count any more.

        That is so when another process has handled a cancellation or a deletion of the job, or has taken it over.
        """
        keeper = asyncio.create_task(self._renew(job, lost))
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})

    async def lapsed(self, held: Stored[JobDocument]) -> Claim | None:
        """Wait for another jobrunner to end a job. Its claim, if it shows no sign of life any more."""
        claim, loop = Claim.on(held.document), asyncio.get_running_loop()
        deadline = loop.time() + self.lapse_seconds
        while loop.time() < deadline:
            await asyncio.sleep(self.renew_seconds)
            now = await self.ledger.find(held.document.id)
            if not _is_claimed(now, claim):
                return None
            if isinstance(now, Stored) and now.revision != held.revision:
                held, deadline = now, loop.time() + self.lapse_seconds
        return claim

    async def _renew(self, job: JobDocument, lost: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(self.renew_seconds)
            try:
                now = await self.ledger.record(job.id, lambda known, at: life.renewed(known, job, at))
            except Exception as error:  # noqa: BLE001 - the work does not end because its document is out of reach
                log.warning("a sign of life of a job was not recorded", job=job.id, error=str(error))
                continue
            if not _is_claimed(now, Claim.on(job)):
                lost()
                return


def _is_claimed(recorded: Recorded, claim: Claim) -> bool:
    if not isinstance(recorded, Stored):
        return False
    return recorded.document.status.phase is JobPhase.RUNNING and Claim.on(recorded.document) == claim
