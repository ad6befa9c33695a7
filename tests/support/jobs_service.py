"""A jobrunner on real NATS, with its own handlers and the operations of the test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from klever_jobrunner.adapters.nats_backlog import NatsBacklog
from klever_jobrunner.adapters.nats_withdrawals import NatsWithdrawals
from klever_jobrunner.handlers import build_router
from klever_jobrunner.ports import Operation
from klever_jobrunner.service.adoption import Adoption
from klever_jobrunner.service.attempts import Attempts
from klever_jobrunner.service.claims import Claims
from klever_jobrunner.service.durations import JobDurations
from klever_jobrunner.service.jobs import Jobs
from klever_jobrunner.service.ledger import Ledger
from klever_jobrunner.service.monitor import JobMonitor
from klever_jobrunner.service.policies import Policies
from klever_jobrunner.service.slots import FairSlots
from kleverkit.connection import close_broker
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import (
    _serve_messages,  # the part of `run` without signals
    make_runtime,
)
from kleverkit.settings import ServiceSettings
from kleverkit.tasks import cancel
from kleverproto.base import WireModel
from kleverproto.conversions import Conversion
from kleverproto.envelope import EventSource, encode, utc_now
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobKind, JobPhase, JobSpec
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.references import ModelRef
from kleverproto.streams import JOBS_BUCKET, MODELS_BUCKET, PROJECTS_BUCKET
from support.bucket_contents import stored_in


@dataclass
class JobsService:
    """The running jobrunner."""

    jobs: Jobs
    backlog: NatsBacklog
    source: ClientSource

    @property
    def client(self) -> Client:
        """The connection of the jobrunner."""
        return self.source()

    @property
    def documents(self) -> NatsDocuments[JobDocument]:
        """The documents of the jobrunner."""
        return NatsDocuments(self.source, JOBS_BUCKET, JobDocument)

    async def publish(self, data: WireModel, event_id: str) -> None:
        """Publish a request."""
        event = EventSource("test").event(data, event_id=event_id)
        headers, body = encode(event)
        await self.client.jetstream().publish(event.nats_subject, body, headers=headers)

    async def phases(self) -> dict[str, JobPhase]:
        """The phase of each job."""
        return {each.document.id: each.document.status.phase for each in await stored_in(self.documents)}

    async def is_idle(self) -> bool:
        """Return whether every consumer has acknowledged every message of the jobs' stream."""
        consumers = await self.client.jetstream().consumers_info("KLEVER_JOBS")
        return bool(consumers) and not any(each.num_pending or each.num_ack_pending for each in consumers)


def job_spec(kind: JobKind, number: int, project: str = "library") -> JobSpec:
    """A job on unique bytes."""
    return JobSpec(
        kind=kind,
        ref=ModelRef.parse(f"{project}/m{number}:1"),
        digest=f"sha256:{number:064x}",
        registry="localhost:5000",
        format="SKLearn",
        conversion=Conversion(to="ONNX") if kind is JobKind.CONVERT else None,
    )


def spec_and_id(kind: JobKind, number: int) -> dict[str, Any]:
    """The contents of a request for a job."""
    spec = job_spec(kind, number)
    return {"id": job_id(spec), "spec": spec}


@asynccontextmanager
async def running_jobrunner(
    nats_url: str,
    directory: Path,
    operations: Mapping[JobKind, Operation],
    *,
    name: str = "one",
    shortage: Callable[[], str | None] = lambda: None,
    lapse_seconds: float = 30.0,
) -> AsyncIterator[JobsService]:
    """Start a jobrunner with one slot for conversions, and stop it at the end."""
    settings = ServiceSettings(nats_url=nats_url, retry_delay_seconds=0.05, retry_delay_cap_seconds=0.2)
    runtime = make_runtime("jobrunner", settings)
    documents = NatsDocuments(runtime.client, JOBS_BUCKET, JobDocument)
    ledger = Ledger(documents, runtime.publisher, runtime.events, utc_now)
    monitor = JobMonitor(documents)
    claims = Claims(ledger, monitor, renew_seconds=0.2, lapse_seconds=lapse_seconds)
    attempts = Attempts(ledger, claims, operations, directory, JobDurations(runtime.metrics))
    slots = {JobKind.CONVERT: FairSlots(1, lambda: monitor.running(JobKind.CONVERT, except_by=name))}
    jobs = Jobs(name, ledger, claims, attempts, NatsWithdrawals(runtime.client), shortage, slots)
    runtime.loops += [monitor.run, Adoption(jobs, claims, slots, pause=0.2).run]
    models = NatsDocuments(runtime.client, MODELS_BUCKET, ModelDocument)
    projects = NatsDocuments(runtime.client, PROJECTS_BUCKET, ProjectDocument)
    runtime.serve([build_router(jobs, Policies(models, projects, runtime.publisher, runtime.events))])
    async with AsyncExitStack() as stack:
        stack.push_async_callback(close_broker, runtime.broker)
        messages = asyncio.create_task(_serve_messages(runtime, stack))
        try:
            await asyncio.wait_for(asyncio.shield(messages), 30)
            yield JobsService(jobs, NatsBacklog(runtime.client), runtime.client)
        finally:
            await cancel([messages])
