"""Resources under random actions of users and random faults: documents follow them, and no request is made twice."""

import random
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from klever_gateway.domain.resources.resource import Resource, ResourceKind, ResourceName
from klever_gateway.errors import NotFoundError
from kleverkit.documents import change
from kleverproto import subjects
from kleverproto.envelope import Event
from kleverproto.jobs import JobDocument, JobPhase
from kleverproto.servings import ServingPhase
from support.resource_bench import EXTRACTION, JOB, SERVING
from support.resource_scenes import Scene
from support.waiting import eventually

STEPS = 60
SEEDS = 25
NEXT_PHASES = {
    JobPhase.PENDING: (JobPhase.RUNNING, JobPhase.SUCCEEDED),
    JobPhase.RUNNING: (JobPhase.PENDING, JobPhase.SUCCEEDED, JobPhase.FAILED),
}


@dataclass
class ServingScene(Scene):
    """One Serving, whose spec changes."""

    names = (SERVING,)
    specs = (
        *({"variants": [{"name": "v1", "model": "library/iris:v1", "replicas": number}]} for number in (1, 2, 3)),
        {"variants": []},
    )

    @property
    def is_owner_away(self) -> bool:
        return self.bench.platform.deployer.is_away

    @property
    def handled(self) -> list[Event[Any]]:
        deployer = self.bench.platform.deployer
        return deployer.requests[: deployer.handled]

    async def made(self) -> set[str]:
        return {each.id for each in self.bench.platform.deployer.requests}

    async def set_owner_away(self, *, is_away: bool) -> None:
        self.bench.platform.deployer.is_away = is_away
        if not is_away:
            await self.bench.platform.deployer.handle()

    async def run_owner(self) -> None:
        document = await self.bench.platform.serving()
        if document is None:
            return
        if document.status.phase is ServingPhase.DELETING:
            await self.bench.platform.complete_deletion()
        else:
            await self.bench.platform.write_serving(phase=ServingPhase.READY)

    async def exists(self, requested: Resource) -> bool:
        document = await self.bench.platform.serving()
        return document is not None and document.name == requested.name.name

    async def is_settled(self) -> bool:
        await self.run_owner()
        document, resource = await self.bench.platform.serving(), self.store.stored.get(SERVING)
        if resource is None:
            return document is None
        if resource.spec == self.specs[-1]:
            return resource.status.get("phase") == "Failed" and not resource.is_accepted
        if document is None or document.status.phase is not ServingPhase.READY:
            return False
        is_ready = resource.status.get("phase") == "Ready" and resource.is_accepted
        return is_ready and document.spec.variants[0].replicas == resource.spec["variants"][0]["replicas"]


@dataclass
class JobScene(Scene):
    """Three ModelJobs, some of them for the same work, whose jobs other clients of the API may delete as well."""

    has_fixed_specs = True
    names = (JOB, *(ResourceName(ResourceKind.MODEL_JOB, "default", name) for name in ("other", "third")))
    specs = (EXTRACTION, EXTRACTION, {"model": "library/iris:v1", "scan": {}}, {"model": "library/iris:v1"})
    clients: set[str] = field(default_factory=set)
    """Ids of the requests of other clients."""
    deleted: set[str] = field(default_factory=set)
    """Ids of the jobs that other clients have deleted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.use_cases = self.bench.jobs()
        self.has_clients = self.draw.random() < 0.5

    @property
    def actions(self) -> Any:
        return (*super().actions, *([self.delete_through_the_api] if self.has_clients else []))

    @property
    def is_owner_away(self) -> bool:
        return not self.bench.platform.handles_jobs

    @property
    def handled(self) -> list[Event[Any]]:
        return self.bench.platform.requests[: self.bench.platform.handled_jobs]

    async def made(self) -> set[str]:
        return {each.id for each in self.bench.platform.requests} - self.clients

    async def set_owner_away(self, *, is_away: bool) -> None:
        self.bench.platform.handles_jobs = not is_away
        if not is_away:
            await self.bench.platform.handle_jobs()

    async def delete_through_the_api(self) -> None:
        platform = self.bench.platform
        jobs = await self.jobs()
        if jobs and not platform.is_away and not platform.loses_answers and not self.is_owner_away:
            job = self.draw.choice(jobs)
            before = await self.made()
            with suppress(NotFoundError):  # this gateway has not read the job yet
                await self.use_cases.delete(job.spec.namespace, job.id)
            self.clients |= await self.made() - before
            self.deleted.add(job.id)

    async def jobs(self) -> list[JobDocument]:
        return [each.document for each in (await self.bench.platform.jobs.listing()).documents]

    async def run_owner(self) -> None:
        jobs = [each for each in await self.jobs() if not each.status.phase.is_final]
        if jobs:
            job = self.draw.choice(jobs)
            await self._write_phase(job, self.draw.choice(NEXT_PHASES[job.status.phase]))

    async def exists(self, requested: Resource) -> bool:
        return requested.job in {each.id for each in await self.jobs()}

    async def is_settled(self) -> bool:
        for job in await self.jobs():
            if not job.status.phase.is_final:
                await self._write_phase(job, JobPhase.SUCCEEDED)
        phases = {job.id: job.status.phase.value for job in await self.jobs()}
        resources = list(self.store.stored.values())
        return {each.job for each in resources} >= phases.keys() and all(
            self._is_shown(each, phases) for each in resources
        )

    def _is_shown(self, resource: Resource, phases: dict[str, str]) -> bool:
        phase = resource.status.get("phase")
        if resource.is_deleting:
            return False
        if resource.spec == self.specs[-1]:
            return phase == "Failed" and not resource.is_accepted
        if resource.job not in phases:
            return resource.is_accepted and resource.job in self.deleted and phase in {"Succeeded", "Failed"}
        return resource.is_accepted and phase == phases[resource.job]

    async def _write_phase(self, job: JobDocument, phase: JobPhase) -> None:
        changed = job.replace(status=job.status.replace(phase=phase))
        await change(self.bench.platform.jobs, subjects.escape(job.id), lambda _known: changed)


@pytest.mark.parametrize("kind", [ServingScene, JobScene])
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_documents_match_resources_in_the_end_and_no_request_is_made_twice(kind: type[Scene], seed: int) -> None:
    scene = kind(random.Random(seed))
    async with scene.bench.projecting(), AsyncExitStack() as stack:
        stack.push_async_callback(scene.stop_controller)
        await scene.play(STEPS)
        await eventually(scene.is_settled)
        assert await scene.made() <= scene.requests
        assert scene.early == []
