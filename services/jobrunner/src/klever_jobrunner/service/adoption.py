"""Jobs whose requests were delivered to other jobrunners: run by whoever has a slot, and taken over from the dead."""

import asyncio
from collections.abc import Collection

import structlog

from kleverproto.jobs import JobDocument, JobKind, JobPhase

from .claims import Claims
from .jobs import Jobs
from .monitor import JobMonitor, Sighting

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0
WAITING = 64
"""Adopted jobs of one project that wait for a slot here: more make no project's turn come earlier."""


class Adoption:
    """Adopts jobs of other jobrunners (docs/adr/0032).

    A job that waits for a slot waits on every jobrunner, so that a free slot anywhere goes to the project whose turn it
    is; a claim by compare-and-set decides between two. One that is Pending after a failed attempt waits for its request
    to be delivered again.

    Args:
        jobs: runs them.
        claims: says when a claim has lapsed.
        kinds: the heavy kinds of jobs, which wait for slots.
        pause: seconds between two looks at the jobs.
    """

    def __init__(self, jobs: Jobs, claims: Claims, kinds: Collection[JobKind], *, pause: float = PAUSE_SECONDS) -> None:
        self._jobs = jobs
        self._lapse_seconds = claims.lapse_seconds
        self._monitor: JobMonitor = claims.monitor
        self._kinds = kinds
        self._pause = pause
        self._adopted: dict[asyncio.Task[None], str] = {}
        """The project of each job."""

    async def run(self) -> None:
        """The background loop; cancelled, it cancels the jobs that it has adopted."""
        try:
            while True:
                await asyncio.sleep(self._pause)
                self.adopt_jobs()
        finally:
            for task in self._adopted:
                task.cancel()
            await asyncio.gather(*self._adopted, return_exceptions=True)

    def adopt_jobs(self) -> None:
        """Begin to run what waits or was left by others."""
        for sighting in self._monitor.unfinished():
            job = sighting.document
            if not self._jobs.is_handling(job.id) and (self._has_lapsed(sighting) or self._waits_for_a_slot(sighting)):
                task = asyncio.create_task(self._run(job))
                self._adopted[task] = job.spec.ref.project
                task.add_done_callback(self._adopted.pop)

    def _has_lapsed(self, sighting: Sighting) -> bool:
        is_running = sighting.document.status.phase is JobPhase.RUNNING
        return is_running and self._monitor.age_of(sighting) >= self._lapse_seconds

    def _waits_for_a_slot(self, sighting: Sighting) -> bool:
        spec, status = sighting.document.spec, sighting.document.status
        if status.phase is not JobPhase.PENDING or status.problem is not None:
            return False
        is_new = self._monitor.age_of(sighting) < self._pause  # its own jobrunner may be about to begin it
        return spec.kind in self._kinds and not is_new and self._adopted_of(spec.ref.project) < WAITING

    def _adopted_of(self, project: str) -> int:
        return sum(each == project for each in self._adopted.values())

    async def _run(self, job: JobDocument) -> None:
        log.info("adopting a job", job=job.id, model=str(job.spec.ref), phase=job.status.phase.value)
        try:
            await self._jobs.adopt(job)
        except Exception as error:  # noqa: BLE001 - its request is delivered again, here or elsewhere
            log.warning("an adopted job did not end", job=job.id, error=str(error) or type(error).__name__)
