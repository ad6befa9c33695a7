"""Two jobrunners in separate processes, on one NATS."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverproto.base import WireModel
from kleverproto.envelope import EventSource, encode, parse
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobCancelRequested, JobDocument, JobKind, JobPhase, JobRequested
from kleverproto.streams import JOBS_BUCKET
from modelformats.threads import in_thread
from support.jobs_service import job_spec
from support.processes import ServerProcess
from support.waiting import eventually

pytestmark = pytest.mark.timeout(120)

LAPSE_SECONDS = 3.0
TAKEN_OVER_WITHIN = 10.0
"""Seconds after the claim of a dead jobrunner has expired."""
TESTS = Path(__file__).parents[1]


class Child(ServerProcess):
    """A jobrunner; see `support.jobrunner_child`."""

    def __init__(self, nats_url: str, directory: Path, name: str) -> None:
        self.name = name
        script = TESTS / "support" / "jobrunner_child.py"
        super().__init__(
            [sys.executable, str(script), nats_url, str(directory), name, str(LAPSE_SECONDS)],
            directory / f"{name}.log",
            (directory / f"ready-{name}").exists,
            os.environ | {"PYTHONPATH": str(TESTS)},
        )


class Rig:
    """Two jobrunners and their results."""

    def __init__(self, nats_url: str, directory: Path) -> None:
        self.url, self.directory = nats_url, directory
        self.one, self.two = (Child(nats_url, directory, name) for name in ("one", "two"))
        self.source = ClientSource()

    async def connect(self) -> None:
        """Open a separate connection for the test."""
        self.source.set(await nats.connect(self.url))

    @property
    def js(self) -> JetStreamContext:
        """The test's own connection."""
        return self.source().jetstream()

    @property
    def documents(self) -> NatsDocuments[JobDocument]:
        """The documents of jobs."""
        return NatsDocuments(self.source, JOBS_BUCKET, JobDocument)

    async def publish(self, data: WireModel, event_id: str) -> None:
        """Publish a request."""
        event = EventSource("test").event(data, event_id=event_id)
        headers, body = encode(event)
        await self.js.publish(event.nats_subject, body, headers=headers)

    async def request(self, kind: JobKind, number: int, project: str = "library") -> str:
        """Request a job. Return its id."""
        spec = job_spec(kind, number, project)
        await self.publish(JobRequested(id=job_id(spec), spec=spec), f"request-{kind}-{project}-{number}")
        return job_id(spec)

    def open(self) -> None:
        """Let jobs complete from now on."""
        (self.directory / "open").touch()

    def noted(self, what: str) -> list[tuple[str, str]]:
        """The jobs that have started or were stopped, each with its jobrunner."""
        path = self.directory / what
        lines = path.read_text().splitlines() if path.exists() else []
        return [(job, runner) for job, runner in (line.split() for line in lines)]

    async def phases(self) -> Counter[JobPhase]:
        """The number of jobs in each phase."""
        return Counter(each.document.status.phase for each in (await self.documents.listing()).documents)

    async def outcomes(self) -> list[tuple[str, str | None]]:
        """The type and cause of every completion event."""
        outcomes: list[tuple[str, str | None]] = []
        sequence = 1
        while True:
            try:
                message = await self.js.get_msg("KLEVER_JOBS", sequence, subject="klever.job.>", next=True)
            except NotFoundError:
                return outcomes
            event = parse(message.headers or {}, message.data or b"")
            if type(event.data).__name__ in {"JobCompleted", "JobFailed", "JobCancelled"}:
                outcomes.append((type(event.data).__name__, event.causation_id))
            sequence = (message.seq or 0) + 1


@pytest.fixture
async def rig(nats_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(nats_url, tmp_path)
    await asyncio.gather(*(in_thread(partial(child.start, within=60)) for child in (rig.one, rig.two)))
    await rig.connect()
    yield rig
    rig.one.kill()
    rig.two.kill()
    await rig.source().close()


async def test_every_job_runs_once_and_both_jobrunners_run_some(rig: Rig) -> None:
    rig.open()
    jobs = [await rig.request(kind, number) for kind in JobKind for number in range(20)]

    async def all_ended() -> bool:
        return await rig.phases() == {JobPhase.SUCCEEDED: len(jobs)} and len(await rig.outcomes()) >= len(jobs)

    await eventually(all_ended, within=60, every=0.1)
    started = rig.noted("begun")
    assert sorted(job for job, _ in started) == sorted(jobs)
    assert {runner for _, runner in started} == {"one", "two"}
    assert len(await rig.outcomes()) == len(jobs)


@pytest.mark.parametrize("kind", [JobKind.CONVERT, JobKind.EXTRACT])
async def test_the_job_of_a_killed_jobrunner_is_taken_over_in_time(rig: Rig, kind: JobKind) -> None:
    job = await rig.request(kind, 1)
    [(_, runner)] = await eventually(lambda: _noted(rig, "begun"))
    dead, survivor = (rig.one, rig.two) if runner == "one" else (rig.two, rig.one)
    assert dead.process is not None
    dead.process.send_signal(signal.SIGKILL)
    killed_at = time.monotonic()

    async def is_taken_over() -> bool:
        return (job, survivor.name) in rig.noted("begun")

    await eventually(is_taken_over, within=LAPSE_SECONDS + TAKEN_OVER_WITHIN)
    assert time.monotonic() - killed_at > LAPSE_SECONDS / 2  # not before the claim has expired
    rig.open()

    async def is_announced() -> bool:
        return len(await rig.outcomes()) > 0

    await eventually(is_announced, within=15)
    await eventually(lambda: _is_acknowledged(rig, kind), within=60, every=0.2)  # the redelivery
    assert await rig.outcomes() == [("JobCompleted", f"request-{kind}-library-1")]
    assert len(rig.noted("begun")) == 2


async def test_a_cancellation_stops_a_job_whichever_jobrunner_handles_it(rig: Rig) -> None:
    jobs = [await rig.request(JobKind.SCAN, number) for number in range(12)]

    async def all_run() -> bool:
        return len(rig.noted("begun")) == len(jobs)

    await eventually(all_run, within=30)
    assert {runner for _, runner in rig.noted("begun")} == {"one", "two"}
    for number, job in enumerate(jobs):
        await rig.publish(JobCancelRequested(id=job, spec=job_spec(JobKind.SCAN, number)), f"cancel-{number}")

    async def all_stopped() -> bool:
        return sorted(rig.noted("stopped")) == sorted(rig.noted("begun"))

    await eventually(all_stopped, within=4)
    assert await rig.phases() == {JobPhase.CANCELLED: len(jobs)}


async def test_a_project_with_many_conversions_does_not_starve_another_one(rig: Rig) -> None:
    many = [await rig.request(JobKind.CONVERT, number, "busy") for number in range(20)]

    async def both_run() -> bool:
        return {runner for _, runner in rig.noted("begun")} == {"one", "two"}

    await eventually(both_run, within=30)
    quiet = [await rig.request(JobKind.CONVERT, number, "quiet") for number in range(2)]

    async def all_wait() -> bool:
        return await rig.phases() == {JobPhase.RUNNING: 2, JobPhase.PENDING: 20}

    await eventually(all_wait, within=30)
    rig.open()

    async def all_ended() -> bool:
        return (await rig.phases())[JobPhase.SUCCEEDED] == len(many) + len(quiet)

    await eventually(all_ended, within=60, every=0.1)
    order = [job for job, _ in rig.noted("begun")]
    assert max(order.index(job) for job in quiet) < 2 + 2 * len(quiet) + 2
    assert len(order) == len(set(order))


async def _noted(rig: Rig, what: str) -> list[tuple[str, str]]:
    return rig.noted(what)


async def _is_acknowledged(rig: Rig, kind: JobKind) -> bool:
    info = await rig.js.consumer_info("KLEVER_JOBS", f"jobrunner-{kind}-requested")
    return not info.num_pending and not info.num_ack_pending
