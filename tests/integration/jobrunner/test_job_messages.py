"""Jobs that are requested, cancelled and requested again over real NATS."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from klever_jobrunner.ports import OnLine
from kleverproto.jobs import (
    JobCancelRequested,
    JobDeleteRequested,
    JobDocument,
    JobKind,
    JobPhase,
    JobRequested,
    JobResult,
)
from support.jobs_service import JobsService, running_jobrunner, spec_and_id
from support.waiting import eventually

MANY = 30


@dataclass
class GatedWork:
    """An operation that completes when the test allows it."""

    done: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """See `ports.Operation`."""
        on_line(f"working in {scratch}")
        await self.gate.wait()
        self.done.append(job.id)
        return JobResult()


@dataclass
class Rig:
    """A running jobrunner, and its operations."""

    service: JobsService
    conversions: GatedWork
    scans: GatedWork

    async def ask(self, kind: JobKind, number: int, *, again: bool = False) -> str:
        """Request a job. Return its id."""
        wanted = spec_and_id(kind, number)
        await self.service.publish(JobRequested(**wanted, again=again), f"request-{kind}-{number}-{again}")
        return str(wanted["id"])


@pytest.fixture
async def rig(nats_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    conversions, scans = GatedWork(), GatedWork()
    operations = {JobKind.CONVERT: conversions, JobKind.SCAN: scans, JobKind.EXTRACT: scans}
    async with running_jobrunner(nats_url, tmp_path, operations) as service:
        yield Rig(service, conversions, scans)
        conversions.gate.set()
        scans.gate.set()
        await eventually(service.is_idle, within=60)


@pytest.mark.parametrize("stop", [JobCancelRequested, JobDeleteRequested])
async def test_jobs_that_are_requested_and_cancelled_at_once_never_complete(
    rig: Rig, stop: type[JobCancelRequested | JobDeleteRequested]
) -> None:
    for number in range(MANY):
        await rig.ask(JobKind.CONVERT, number)
        await rig.service.publish(stop(**spec_and_id(JobKind.CONVERT, number)), f"stop-{number}")
    await eventually(rig.service.is_idle, within=60)
    assert rig.conversions.done == []
    phases = await rig.service.phases()
    assert set(phases.values()) <= {JobPhase.CANCELLED}
    assert len(phases) == (MANY if stop is JobCancelRequested else 0)


async def test_queued_conversions_delay_no_other_job(rig: Rig) -> None:
    for number in range(100):
        await rig.ask(JobKind.CONVERT, number)
    waiting = [await rig.ask(kind, 1000) for kind in (JobKind.SCAN, JobKind.EXTRACT)]
    rig.scans.gate.set()

    async def both_done() -> bool:
        phases = await rig.service.phases()
        return all(phases.get(job) is JobPhase.SUCCEEDED for job in waiting)

    await eventually(both_done, within=30)
    assert rig.conversions.done == []


async def test_a_deleted_job_that_is_requested_again_runs(rig: Rig) -> None:
    rig.conversions.gate.set()
    job = await rig.ask(JobKind.CONVERT, 1)
    await rig.service.publish(JobDeleteRequested(**spec_and_id(JobKind.CONVERT, 1)), "delete")
    await rig.ask(JobKind.CONVERT, 1, again=True)
    await eventually(rig.service.is_idle, within=60)
    assert await rig.service.phases() == {job: JobPhase.SUCCEEDED}


async def test_a_second_jobrunner_leaves_the_jobs_of_the_first_alone(rig: Rig, nats_url: str, tmp_path: Path) -> None:
    job = await rig.ask(JobKind.SCAN, 1)

    async def runs() -> bool:
        return (await rig.service.phases()).get(job) is JobPhase.RUNNING

    await eventually(runs)
    other = GatedWork()
    other.gate.set()
    async with running_jobrunner(nats_url, tmp_path, {JobKind.SCAN: other}, name="two") as second:
        recovery = asyncio.create_task(second.jobs.recover(second.backlog))
        await eventually(lambda: _is_renewed(rig.service, job))
        rig.scans.gate.set()
        await asyncio.wait_for(recovery, 30)
    assert (rig.scans.done, other.done) == ([job], [])


async def test_a_second_jobrunner_takes_jobs_that_wait_for_a_slot_of_the_first(
    rig: Rig, nats_url: str, tmp_path: Path
) -> None:
    jobs = [await rig.ask(JobKind.CONVERT, number) for number in range(2)]
    await eventually(lambda: _is_running(rig.service, 1))
    async with running_jobrunner(nats_url, tmp_path, {JobKind.CONVERT: GatedWork()}, name="two") as second:
        await eventually(lambda: _is_running(second, 2))
        rig.conversions.gate.set()  # the first job ends, and the second one resumes
        await eventually(lambda: _is_running(second, 1))
        runners = {each.document.status.runner for each in (await second.documents.listing()).documents}
        assert runners == {"one", "two"}
        await rig.service.publish(JobCancelRequested(**spec_and_id(JobKind.CONVERT, 0)), "cancel-0")
        await rig.service.publish(JobCancelRequested(**spec_and_id(JobKind.CONVERT, 1)), "cancel-1")
        await eventually(lambda: _is_running(second, 0))
        await eventually(second.is_idle, within=60)
    assert set((await rig.service.phases()).values()) == {JobPhase.SUCCEEDED, JobPhase.CANCELLED}
    assert len(jobs) == 2


async def _is_running(service: JobsService, number: int) -> bool:
    phases = (await service.phases()).values()
    return sum(phase is JobPhase.RUNNING for phase in phases) == number


async def _is_renewed(service: JobsService, job: str) -> bool:
    stored = await service.documents.get(job)
    return stored is not None and stored.document.updated_at > (
        stored.document.status.started_at or stored.document.updated_at
    )


async def test_a_lost_bucket_interrupts_no_running_job(rig: Rig) -> None:
    job = await rig.ask(JobKind.SCAN, 1)
    await eventually(lambda: _has(rig.service, job))
    await rig.service.client.jetstream().delete_key_value("klever-jobs")  # the kit creates it again
    await eventually(lambda: _has(rig.service, job))
    rig.scans.gate.set()
    other = await rig.ask(JobKind.SCAN, 2)
    await eventually(rig.service.is_idle, within=60)
    assert await rig.service.phases() == {job: JobPhase.SUCCEEDED, other: JobPhase.SUCCEEDED}
    assert sorted(rig.scans.done) == sorted([job, other])


async def _has(service: JobsService, job: str) -> bool:
    return job in await service.phases()


async def test_a_lost_stream_loses_no_request(rig: Rig) -> None:
    rig.scans.gate.set()
    job = await rig.ask(JobKind.SCAN, 1)
    await eventually(lambda: _is_done(rig.service, job))
    await rig.service.client.jetstream().delete_stream("KLEVER_JOBS")  # the kit creates it again

    async def is_deleted() -> bool:
        await rig.service.publish(JobDeleteRequested(**spec_and_id(JobKind.SCAN, 1)), "delete")
        return not await _has(rig.service, job)

    await eventually(is_deleted, within=30, every=0.2)


async def _is_done(service: JobsService, job: str) -> bool:
    return (await service.phases()).get(job) is JobPhase.SUCCEEDED
