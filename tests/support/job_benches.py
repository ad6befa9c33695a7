"""Places where jobs run, for the contract suite of all of them."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from kubernetes_asyncio.client import ApiClient, CoreV1Api, V1ObjectMeta, V1ResourceQuota, V1ResourceQuotaSpec

from klever_jobrunner.adapters.kubernetes.cluster import JobCluster
from klever_jobrunner.adapters.kubernetes.pod_jobs import PodJobs
from klever_jobrunner.domain.command import ExitCode, RunOutcome
from klever_jobrunner.errors import JobError
from klever_jobrunner.ports import FetchedModel, Operation, TrustedNames
from klever_jobrunner.service.extraction import Extraction
from kleverkit.errors import TransientError
from kleverkit.tasks import cancel
from kleverkube.job_containers import RUN
from kleverkube.job_options import JobOptions
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkubeclient.connecting import connected
from kleverproto.documents import Problem
from kleverproto.jobs import JobDocument, JobKind, JobResult, JobSpec, JobStatus
from support.jobs import NOW, SCAN, SIGNATURE, GatedExecutor, request
from support.played_jobs import Ending, PlayedJobs, playing
from support.waiting import eventually

RESULT = JobResult(signature=SIGNATURE, scan=SCAN)
Outcome = JobResult | JobError | TransientError


class JobsBench(ABC):
    """A place where jobs run. Each run of a job takes the next outcome, and ends when `gate` is set."""

    operation: Operation

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        """Set once a run waits for `gate`."""

    @abstractmethod
    async def restart(self) -> None:
        """Replace the jobrunner by another one."""


class OnThisMachine(JobsBench):
    """The operations of a local jobrunner."""

    def __init__(self) -> None:
        super().__init__()
        self._executor = GatedExecutor(gate=self.gate, started=self.begun)
        self.operation: Operation = self._make()

    async def restart(self) -> None:
        self.operation = self._make()

    def _make(self) -> Operation:
        return Extraction(_Source(self.outcomes, self._executor), self._executor)


class _Source:
    """See `ports.ModelSource`: takes the next outcome for each run."""

    def __init__(self, outcomes: list[Outcome], executor: GatedExecutor) -> None:
        self._outcomes = outcomes
        self._executor = executor

    async def fetch(self, spec: JobSpec, destination: Path) -> FetchedModel:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, TransientError):
            raise outcome
        self._executor.outcome = outcome if isinstance(outcome, JobError) else SIGNATURE
        return FetchedModel(destination / "model", spec.format)


class OnCluster(JobsBench):
    """A real API server with the controller of Jobs; the node is played.

    Args:
        kubeconfig: kubeconfig file of an administrator, who plays the node.
        patience: see `PodJobs`.
        account: the kubeconfig of the jobrunner's account; the administrator's by default.
        options: options of the jobs.
    """

    def __init__(
        self, kubeconfig: Path, *, patience: float = 60.0, account: Path | None = None, **options: Any
    ) -> None:
        super().__init__()
        self.client: ApiClient
        self.played: PlayedJobs
        self.cluster: JobCluster
        self.patience = patience
        self._options = JobOptions(**{"cluster": ClusterOptions(), "namespace": "default", **options})
        self._kubeconfig = kubeconfig
        self._account = account or kubeconfig
        self._following: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator["OnCluster"]:
        """Play the node, and run a jobrunner."""
        async with connected(self._kubeconfig) as self.client, playing(self.client, self.run) as self.played:
            await self._start()
            try:
                yield self
            finally:
                await self._stop()

    async def restart(self) -> None:
        await self._stop()
        await self._start()

    async def run(self, _pod: Manifest, container: str) -> Ending:
        """Run a container of a pod: the one that runs the job takes the next outcome."""
        if container != RUN:
            return Ending(lines=("the model is in /mnt/source",))
        outcome = self.outcomes.pop(0)
        self.begun.set()
        await self.gate.wait()
        return ending_of(outcome)

    async def _start(self) -> None:
        self.cluster = JobCluster(self._options, self._account)
        await self.cluster.__aenter__()
        self._following = [asyncio.create_task(self.cluster.run())]
        self.operation = PodJobs(self.cluster, nobody_trusted, self.patience)

    async def _stop(self) -> None:
        await cancel(self._following)
        await self.cluster.__aexit__()


async def nobody_trusted(_project: str) -> TrustedNames:
    return ()


def ending_of(outcome: Outcome) -> Ending:
    """Return the exit of the command with an outcome."""
    if isinstance(outcome, JobResult):
        return Ending(ExitCode.DONE, _lines(RunOutcome(result=outcome)))
    if isinstance(outcome, JobError):
        return Ending(ExitCode.FAILED, _lines(RunOutcome(problem=outcome.problem, result=outcome.result)))
    problem = Problem(code=outcome.code, message=str(outcome))
    return Ending(ExitCode.TEMPORARY, _lines(RunOutcome(problem=problem)))


def _lines(outcome: RunOutcome) -> tuple[str, ...]:
    return (json.dumps({"line": "parsing"}), outcome.model_dump_json(exclude_none=True))


def job(kind: JobKind = JobKind.EXTRACT, *, generation: int = 1, name: str = "") -> JobDocument:
    """A job that no other test has."""
    spec = request().spec.model_copy(update={"kind": kind})
    document = JobDocument(id=name or str(uuid4()), spec=spec, status=JobStatus(), created_at=NOW, updated_at=NOW)
    return document.replace(generation=generation)


@asynccontextmanager
async def on_this_machine(_kubeconfig: Callable[[], Path]) -> AsyncIterator[JobsBench]:
    yield OnThisMachine()


@asynccontextmanager
async def on_cluster(kubeconfig: Callable[[], Path]) -> AsyncIterator[JobsBench]:
    async with OnCluster(kubeconfig()).running() as bench:
        yield bench


@asynccontextmanager
async def without_pods(client: ApiClient, namespace: str) -> AsyncIterator[None]:
    """A namespace whose quota permits no pod."""
    core, name = CoreV1Api(client), "none"
    quota = V1ResourceQuota(metadata=V1ObjectMeta(name=name), spec=V1ResourceQuotaSpec(hard={"pods": "0"}))
    await core.create_namespaced_resource_quota(namespace, quota)

    async def is_enforced() -> bool:
        return bool((await core.read_namespaced_resource_quota_status(name, namespace)).status.hard)

    await eventually(is_enforced, within=20)
    try:
        yield
    finally:
        await core.delete_namespaced_resource_quota(name, namespace)


OPERATIONS: dict[str, Callable[[Callable[[], Path]], AbstractAsyncContextManager[JobsBench]]] = {
    "local": on_this_machine,
    "kubernetes": on_cluster,
}
