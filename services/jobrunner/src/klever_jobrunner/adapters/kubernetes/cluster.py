"""The Jobs of a platform on its cluster, and their pods."""

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

import structlog

from klever_jobrunner.errors import UNSUPPORTED_HERE, JobError
from klever_jobrunner.ports import RemoteRun
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.job_options import JobOptions, ModelJob
from kleverkube.jobs import GENERATION, JOB, job_name, job_network_policy, jobs_of, render_job
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.failures import DeniedError, RefusedByClusterError
from kleverkubeclient.resources import EVENTS, JOBS, PODS
from kleverkubeclient.watched import Watched, object_name
from kleverkubeclient.watches import Watches

from .outcomes import is_finished

log = structlog.get_logger(__name__)


class JobCluster:
    """See `ports.RemoteRuns`: batch/v1 Jobs in one namespace.

    Args:
        options: options of the jobs.
        kubeconfig: credentials; see `kleverkubeclient.connecting`.
    """

    def __init__(self, options: JobOptions, kubeconfig: Path | None = None) -> None:
        self.api = KubernetesApi()
        self.options = options
        self._kubeconfig = kubeconfig
        self._changed: set[asyncio.Event] = set()
        selector, namespace = jobs_of(options.cluster), options.namespace
        self.jobs = Watched(self.api, JOBS, selector, self._on_change, namespace=namespace)
        self.pods = Watched(self.api, PODS, selector, self._on_change, namespace=namespace)
        self._watches = Watches(self.api, (self.jobs, self.pods))
        self._connection = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect. Raises TransientError if there are no credentials."""
        client = await self._connection.enter_async_context(connected(self._kubeconfig))
        self.api.use(client)
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Leave running Jobs to the next jobrunner."""
        await self._connection.aclose()

    async def run(self) -> None:
        """Follow Jobs and pods until cancelled."""
        await self._watches.run()

    async def problem(self) -> str | None:
        """Return failed watches and missing permissions as a sentence; None if there are none."""
        return await self._watches.problem()

    async def start(self, job: ModelJob) -> tuple[Manifest, bool]:
        """Create a Job, or find the one that an earlier attempt has created.

        Returns:
            The Job, and True if it is new.

        Raises:
            JobError: the cluster refuses it.
            ApiUnavailableError: the cluster does not respond.
        """
        present = await self.read(job_name(job.id, job.generation))
        if present is not None and ("deletionTimestamp" in present["metadata"] or is_finished(present)):
            return present, False
        try:
            stored = present or await self.api.apply(render_job(job, self.options))
            await self.api.apply(job_network_policy(job, self.options, stored))
        except (RefusedByClusterError, UnsupportedOnClusterError) as error:
            raise JobError(f"the cluster refuses the Job: {error}", code=UNSUPPORTED_HERE) from error
        self.jobs.put(stored)
        return stored, present is None

    async def read(self, name: str) -> Manifest | None:
        """Read a Job from the API server; None if it does not exist. Raises ApiUnavailableError."""
        return await self.api.read(JOBS, self.options.namespace, name)

    async def read_again(self, job: Manifest) -> Manifest | None:
        """Read a Job; None if it does not exist, also if another one has its name. Raises ApiUnavailableError."""
        return _same(job, await self.read(job["metadata"]["name"]))

    def find(self, job: Manifest) -> Manifest | None:
        """A Job as the watch has reported it; None if it has not."""
        return _same(job, self.jobs.objects.get(object_name(job)))

    def pod_of(self, job: Manifest) -> Manifest | None:
        """The pod of a Job."""
        uid = job["metadata"]["uid"]
        return next((pod for pod in self.pods.objects.values() if _is_owned(pod, uid)), None)

    async def events_of(self, job: Manifest) -> list[Manifest]:
        """The events of a Job; none if the jobrunner may not list them. Raises ApiUnavailableError."""
        fields = f"involvedObject.uid={job['metadata']['uid']}"
        try:
            events = await self.api.list(EVENTS, "", self.options.namespace, fields=fields, is_optional=True)
        except (DeniedError, RefusedByClusterError) as error:
            log.info("events of a Job not listed", job=job["metadata"]["name"], error=str(error))
            return []
        return events.items

    async def delete(self, name: str, *, uid: str | None = None) -> None:
        """Delete a Job with its pod. No effect if it does not exist.

        Raises:
            ApiUnavailableError: the cluster does not respond; ConflictError if the Job has another uid.
        """
        await self.api.delete(JOBS, self.options.namespace, name, uid=uid)

    def runs(self) -> Collection[RemoteRun]:
        """See `RemoteRuns`."""
        return [run for job in self.jobs.objects.values() if (run := _run_of(job)) is not None]

    async def remove(self, run: RemoteRun) -> None:
        """See `RemoteRuns`."""
        await self.delete(job_name(run.job, run.generation))

    async def wait_for_change(self, within: float) -> None:
        """Return after the next change of a Job or a pod, or after this number of seconds."""
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await changed.wait()
        finally:
            self._changed.discard(changed)

    def _on_change(self, _changed: Manifest) -> None:
        for each in self._changed:
            each.set()


def _same(job: Manifest, present: Manifest | None) -> Manifest | None:
    """The object with the name of a Job, if it is the same one; None if it is another one."""
    return present if present is not None and present["metadata"]["uid"] == job["metadata"]["uid"] else None


def _is_owned(pod: Manifest, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in pod["metadata"].get("ownerReferences", ()))


def _run_of(job: Manifest) -> RemoteRun | None:
    """The run of a Job; None if it is being deleted, or lacks the labels of a run."""
    labels = job["metadata"].get("labels", {})
    generation = labels.get(GENERATION, "")
    if "deletionTimestamp" in job["metadata"] or not labels.get(JOB) or not generation.isdecimal():
        return None
    return RemoteRun(labels[JOB], int(generation), is_active=not is_finished(job))
