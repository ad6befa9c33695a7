"""Claims on jobs: only one jobrunner runs a job at a time, and renews its claim meanwhile."""

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
        ledger: the documents.
        monitor: measures the time since a claim was renewed.
        renew_seconds: interval at which a claim is renewed.
        lapse_seconds: time after which a claim that was not renewed has lapsed. Each waiting jobrunner measures it
            itself, so that no clocks are compared.
    """

    ledger: Ledger
    monitor: JobMonitor
    renew_seconds: float = RENEW_SECONDS
    lapse_seconds: float = LAPSE_SECONDS

    @asynccontextmanager
    async def renewed(self, job: JobDocument, lost: Callable[[], None]) -> AsyncIterator[None]:
        """Renew the claim while the block runs; `lost` is called when the claim is no longer valid.

        A claim becomes invalid when another process has handled a cancellation or deletion of the job, or has taken it
        over.
        """
        keeper = asyncio.create_task(self._renew(job, lost))
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})

    async def wait_for_release(self, held: Stored[JobDocument]) -> JobDocument | None:
        """Wait until another jobrunner no longer runs a job.

        Returns:
            The last state of the job if the claim has lapsed; otherwise None. Raises TransientError.
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
            except Exception as error:  # noqa: BLE001 - the job continues although its document is not available
                log.warning("claim on a job not renewed, retrying", job=job.id, error=str(error))
                continue
            if not _is_claimed(now, Claim.on(job)):
                lost()
                return


def _is_claimed(recorded: Recorded, claim: Claim) -> bool:
    if not isinstance(recorded, Stored):
        return False
    return recorded.document.status.phase is JobPhase.RUNNING and Claim.on(recorded.document) == claim
