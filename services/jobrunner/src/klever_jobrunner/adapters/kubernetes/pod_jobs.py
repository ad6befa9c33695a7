"""Runs jobs as Jobs of a cluster."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from klever_jobrunner.domain.command import RunRequest
from klever_jobrunner.errors import NOT_STARTED, WORKER_DIED, JobError
from klever_jobrunner.ports import OnLine, Trusted
from kleverkit.errors import TransientError
from kleverkube.job_options import ModelJob
from kleverkube.manifest import Manifest
from kleverkube.registries import registry_of_pods
from kleverkubeclient.failures import ApiUnavailableError, ConflictError, DeniedError, RefusedByClusterError
from kleverproto.envelope import utc_now
from kleverproto.jobs import JobDocument, JobKind, JobResult

from .cluster import JobCluster
from .outcomes import CommandFailedError, container_names, is_finished, result_of
from .pod_logs import PodLogs
from .results import checked
from .starts import StartWatch, obstacle

LOOK_SECONDS = 1.0
LOG_SECONDS = 30.0
"""Time to read the rest of the logs of a Job that has finished."""
PAUSE_SECONDS = 1.0
NO_POD_SECONDS = 3.0
"""Time in which a cluster creates the pod of a new Job."""
T = TypeVar("T")


@dataclass(frozen=True)
class PodJobs:
    """See `ports.Operation`: a Job for each generation of a job, whatever jobrunner follows it.

    A cancelled attempt leaves its Job running: the jobrunner may be restarting, and the next attempt continues with the
    same Job. `service.remote_cleanup` deletes Jobs of cancelled and deleted jobs.

    Attributes:
        cluster: the Jobs.
        trusted: returns the names that a project trusts.
        patience: seconds for which something may prevent a Job from running.
        clock: the present time.
    """

    cluster: JobCluster
    trusted: Trusted
    patience: float
    clock: Callable[[], datetime] = utc_now

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """See `ports.Operation`."""
        del scratch
        started = await self._start(job, on_line)
        try:
            result = checked(job.spec, await self._follow(started, on_line))
        except (TransientError, CommandFailedError):
            await self._delete(started, on_line)
            raise
        except JobError as error:
            if error.code == NOT_STARTED:
                await self._delete(started, on_line)
            raise
        return result

    async def _start(self, job: JobDocument, on_line: OnLine) -> Manifest:
        address = registry_of_pods(job.spec.registry, self.cluster.options.cluster).address
        spec = job.spec.model_copy(update={"registry": address})
        wanted = model_job(job, RunRequest(spec=spec, trust=await self.trusted(spec.ref.project)))
        is_waiting = False
        while True:
            started, is_new = await _patiently(lambda: self.cluster.start(wanted), on_line)
            name = started["metadata"]["name"]
            if "deletionTimestamp" not in started["metadata"]:
                on_line(f"Job {name} {'is created' if is_new else 'exists, its log is repeated'}")
                return started
            if not is_waiting:
                on_line(f"waiting until Job {name} of an earlier attempt is deleted")
            is_waiting = True
            await self.cluster.wait_for_change(LOOK_SECONDS)

    async def _follow(self, job: Manifest, on_line: OnLine) -> JobResult:
        """Follow a Job to its end. Raises as `run_job`."""
        progress = Progress(self, job, on_line)
        try:
            while not is_finished(progress.job) or progress.is_blind:
                await progress.look()
                await self.cluster.wait_for_change(LOOK_SECONDS)
            progress.note_pod()
            await progress.logs.finish(LOG_SECONDS)
        finally:
            await progress.logs.close()
        pod = progress.pod
        last = container_names(job["spec"]["template"])[-1]
        return result_of(progress.job, pod, progress.logs.outcomes, last)

    async def _delete(self, job: Manifest, on_line: OnLine) -> None:
        """Delete the Job of a failed attempt, or wait until it is gone: the next attempt would find it."""
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]

        async def delete() -> None:
            try:
                await self.cluster.delete(name, uid=uid)
            except (ConflictError, DeniedError, RefusedByClusterError) as error:
                if await self.cluster.read_again(job) is not None:
                    raise ApiUnavailableError(str(error)) from error

        await _patiently(delete, on_line)


class Progress:
    """Progress of a running Job.

    Args:
        jobs: runs it.
        job: the Job when it was created or found.
        on_line: called with each line of the job's log.
    """

    def __init__(self, jobs: PodJobs, job: Manifest, on_line: OnLine) -> None:
        self._created = job
        self._cluster = jobs.cluster
        self._clock = jobs.clock
        self._on_line = on_line
        self._start = StartWatch(jobs.patience)
        self._node = ""
        self._is_blindness_reported = False
        self._began = asyncio.get_running_loop().time()
        self.pod: Manifest | None = None
        """The pod, as last seen."""
        self.logs = PodLogs(self._cluster.api, self.present_pod, on_line)

    @property
    def job(self) -> Manifest:
        """The Job, as last seen."""
        self._created = self._cluster.find(self._created) or self._created
        return self._created

    def present_pod(self) -> Manifest | None:
        """The pod, if it exists."""
        return self._cluster.pod_of(self._created)

    @property
    def is_blind(self) -> bool:
        """True if a pod may exist that the jobrunner does not see."""
        return self.pod is None and not self._cluster.pods.is_current

    def note_pod(self) -> None:
        """Remember the pod, and announce its node."""
        if (pod := self.present_pod()) is None:
            return
        self.pod = pod
        node = pod["spec"].get("nodeName", "")
        if node and node != self._node:
            self._node = node
            self._on_line(f"pod {pod['metadata']['name']} is on node {node}")

    async def look(self) -> None:
        """Compare with the cluster once. Raises JobError if the Job is deleted or does not start."""
        await self._check_exists()
        self.note_pod()
        self.logs.look()
        now = asyncio.get_running_loop().time()
        if self._start.note(await self._obstacle(), now):
            self._on_line(f"waiting: {self._start.reason}")
        if self._start.is_over(now):
            raise JobError(f"the Job does not run: {self._start.reason}", code=NOT_STARTED)

    async def _check_exists(self) -> None:
        """Raise an error if the Job is deleted, read from the API server: the watch may be late."""
        job: Manifest | None = self.job
        if self._cluster.find(self._created) is None and not is_finished(self._created):
            job = await _patiently(lambda: self._cluster.read_again(self._created), self._on_line)
        if job is None or ("deletionTimestamp" in job["metadata"] and not is_finished(job)):
            raise deleted_error(self._created["metadata"]["name"])
        self._created = job

    async def _obstacle(self) -> str | None:
        pod = self.present_pod()
        if self.is_blind:
            self._note_blindness(self._cluster.pods.problem)
            return None
        if pod is None and (self.pod is not None or not self._expects_pod()):
            return None  # it has gone, and the conditions of the Job follow; or it is about to be created
        events = [] if pod is not None else await _patiently(self._events, self._on_line)
        return obstacle(pod, events, self._clock())

    def _note_blindness(self, problem: str | None) -> None:
        if problem is not None and not self._is_blindness_reported:
            self._is_blindness_reported = True
            self._on_line(f"waiting for the list of pods: {problem}")

    def _expects_pod(self) -> bool:
        return asyncio.get_running_loop().time() - self._began >= NO_POD_SECONDS

    async def _events(self) -> list[Manifest]:
        return await self._cluster.events_of(self._created)


def model_job(job: JobDocument, request: RunRequest) -> ModelJob:
    """The job, as it is rendered."""
    spec = job.spec
    samples = spec.conversion.samples_digest if spec.conversion else None
    return ModelJob(
        id=job.id,
        generation=job.generation,
        project=spec.ref.project,
        registry=spec.registry,
        model=f"{spec.ref.repository}@{spec.digest}",
        request=request.model_dump_json(exclude_defaults=True),
        publishes=spec.kind is JobKind.CONVERT,
        samples=f"{spec.ref.repository}@{samples}" if samples else None,
    )


def deleted_error(name: str) -> JobError:
    """Return the error for a Job that was deleted on the cluster."""
    return JobError(
        f"the Job {name} was deleted on the cluster before it finished. Run it again with `klever jobs retry`",
        code=WORKER_DIED,
    )


async def _patiently(call: Callable[[], Awaitable[T]], on_line: OnLine) -> T:
    """Repeat a call until the cluster responds."""
    is_reported = False
    while True:
        try:
            return await call()
        except ApiUnavailableError as error:
            if not is_reported:
                on_line(f"waiting for the cluster: {error}")
            is_reported = True
            await asyncio.sleep(max(PAUSE_SECONDS, error.retry_after or 0.0))
