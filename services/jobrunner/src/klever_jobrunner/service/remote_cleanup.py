"""Ends obsolete runs outside of this process."""

import asyncio
from contextlib import suppress

import structlog

from klever_jobrunner.domain import life
from klever_jobrunner.domain.life import Known
from klever_jobrunner.ports import RemoteRun, RemoteRuns
from kleverkit.documents import Buried
from kleverkit.errors import KleverError
from kleverproto.jobs import JobDocument

from .ledger import Ledger, Recorded
from .monitor import JobMonitor

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 5.0


class RemoteCleanup:
    """Ends the runs of jobs that were cancelled, deleted, ended or requested again (docs/adr/0043).

    Every jobrunner does this: ending a run is idempotent, and the jobrunner that started it may be gone. A run is ended
    only if the document or the tombstone of its job proves that it is obsolete, never because the job is missing: the
    bucket may be lost.

    Args:
        ledger: the documents.
        monitor: reports writes of the documents.
        runs: the runs.
        pause: seconds after which all runs are compared again.
    """

    def __init__(self, ledger: Ledger, monitor: JobMonitor, runs: RemoteRuns, *, pause: float = PAUSE_SECONDS) -> None:
        self._ledger = ledger
        self._runs = runs
        self._pause = pause
        self._written = asyncio.Event()
        monitor.listen(self._on_write)

    async def run(self) -> None:
        """Run the background loop."""
        while True:
            self._written.clear()
            await self.end_obsolete_runs()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._written.wait()

    async def end_obsolete_runs(self) -> None:
        """Compare all runs with their documents once. Raises TransientError if documents cannot be read."""
        for run in list(self._runs.runs()):
            known = _known(await self._ledger.find(run.job))
            if life.is_obsolete(known, run.generation, is_active=run.is_active):
                await self._end(run)

    async def _end(self, run: RemoteRun) -> None:
        log.info("ending obsolete run", job=run.job, generation=run.generation)
        try:
            await self._runs.remove(run)
        except KleverError as error:
            log.warning("run not ended, retrying", job=run.job, error=str(error))

    def _on_write(self, _key: str, known: Known) -> None:
        if not isinstance(known, JobDocument) or known.status.phase.is_final:
            self._written.set()


def _known(recorded: Recorded) -> Known:
    if recorded is None:
        return None
    return recorded.tombstone if isinstance(recorded, Buried) else recorded.document
