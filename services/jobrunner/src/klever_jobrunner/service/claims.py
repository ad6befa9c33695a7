"""A job is run by one jobrunner at a time: whoever runs it renews its claim, and nobody else begins it meanwhile."""

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
from .monitor import JobMonitor

log = structlog.get_logger(__name__)

RENEW_SECONDS = 5.0
LAPSE_SECONDS = 20.0


@dataclass(frozen=True)
class Claims:
    """Claims on jobs, in their documents (docs/adr/0032).

    Attributes:
        ledger: has the documents.
        monitor: knows for how long a claim was not renewed.
        renew_seconds: how often a claim is renewed.
        lapse_seconds: a claim that was not renewed for this long has lapsed. Measured by whoever waits, so that no
            clocks are compared.
    """

    ledger: Ledger
    monitor: JobMonitor
    renew_seconds: float = RENEW_SECONDS
    lapse_seconds: float = LAPSE_SECONDS

    @asynccontextmanager
    async def renewed(self, job: JobDocument, lost: Callable[[], None]) -> AsyncIterator[None]:
        """Hold the claim for the length of the block; `lost` is called when it is not valid any more.

        That is so when another process has handled a cancellation or a deletion of the job, or has taken it over.
        """
        keeper = asyncio.create_task(self._renew(job, lost))
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})

    async def wait_for_release(self, held: Stored[JobDocument]) -> JobDocument | None:
        """Wait until another jobrunner does not run a job any more.

        Returns:
            The job as that one wrote it last, where its claim has lapsed; else None. Raises TransientError.
        """
        claim = Claim.on(held.document)
        while True:
            self.monitor.observe(held)
            if self.monitor.age(held) >= self.lapse_seconds:
                return held.document
            await self.monitor.wait_for_write(held.document.id, within=self.renew_seconds)
            now = await self.ledger.find(held.document.id)
            if not isinstance(now, Stored) or not _is_claimed(now, claim):
                return None
            held = now

    async def _renew(self, job: JobDocument, lost: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(self.renew_seconds)
            try:
                now = await self.ledger.record(job.id, lambda known, at: life.renewed(known, job, at))
            except Exception as error:  # noqa: BLE001 - the job does not end because its document cannot be reached
                log.warning("the claim on a job was not renewed", job=job.id, error=str(error))
                continue
            if not _is_claimed(now, Claim.on(job)):
                lost()
                return


def _is_claimed(recorded: Recorded, claim: Claim) -> bool:
    if not isinstance(recorded, Stored):
        return False
    return recorded.document.status.phase is JobPhase.RUNNING and Claim.on(recorded.document) == claim
