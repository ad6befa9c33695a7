"""Adopts jobs whose requests were delivered to other jobrunners, if those have no free slot or have died."""

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
"""Limit of adopted jobs of one project that wait for a slot here; more would not run earlier."""


class Adoption:
    """Adopts jobs of other jobrunners (docs/adr/0032).

    A job that waits for a slot waits on every jobrunner, so that any free slot goes to the project whose turn it is. If
    two jobrunners start the same job, the compare-and-set of the claim decides. A job that is Pending after a failed
    attempt waits for the redelivery of its request.

    Args:
        jobs: runs the jobs.
        claims: detects claims that have lapsed.
        kinds: the heavy kinds of jobs, which wait for slots.
        pause: interval in seconds at which the jobs are checked.
    """

    def __init__(self, jobs: Jobs, claims: Claims, kinds: Collection[JobKind], *, pause: float = PAUSE_SECONDS) -> None:
        self._jobs = jobs
        self._lapse_seconds = claims.lapse_seconds
        self._monitor: JobMonitor = claims.monitor
        self._kinds = kinds
        self._pause = pause
        self._adopted: dict[asyncio.Task[None], str] = {}
        """The project of each adopted job."""

    async def run(self) -> None:
        """Run the background loop; if it is cancelled, the adopted jobs are cancelled."""
        try:
            while True:
                await asyncio.sleep(self._pause)
                self.adopt_jobs()
        finally:
            for task in self._adopted:
                task.cancel()
            await asyncio.gather(*self._adopted, return_exceptions=True)

    def adopt_jobs(self) -> None:
        """Start jobs that wait for a slot, and jobs whose jobrunners have died."""
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
        is_new = self._monitor.age_of(sighting) < self._pause  # its own jobrunner may be about to start it
        return spec.kind in self._kinds and not is_new and self._adopted_of(spec.ref.project) < WAITING

    def _adopted_of(self, project: str) -> int:
        return sum(each == project for each in self._adopted.values())

    async def _run(self, job: JobDocument) -> None:
        log.info("adopting a job", job=job.id, model=str(job.spec.ref), phase=job.status.phase.value)
        try:
            await self._jobs.adopt(job)
        except Exception as error:  # noqa: BLE001 - its request is redelivered, here or elsewhere
            log.warning(
                "adopted job interrupted, waiting for its redelivery",
                job=job.id,
                error=str(error) or type(error).__name__,
            )
