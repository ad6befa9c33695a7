"""Doubles of the jobrunner's ports, and a runner that uses them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from klever_jobrunner.domain.requests import Request
from klever_jobrunner.ports import FetchedModel, Operation
from klever_jobrunner.service.adoption import Adoption
from klever_jobrunner.service.attempts import Attempts
from klever_jobrunner.service.claims import Claims
from klever_jobrunner.service.deletions import Deletions
from klever_jobrunner.service.durations import JobDurations
from klever_jobrunner.service.extraction import Extraction
from klever_jobrunner.service.jobs import Jobs
from klever_jobrunner.service.ledger import Ledger
from klever_jobrunner.service.monitor import JobMonitor
from klever_jobrunner.service.slots import FairSlots
from kleverkit.documents import Documents
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverproto.documents import Intent
from kleverproto.envelope import Event, EventSource
from kleverproto.jobs import JobDocument, JobKind, JobPhase, JobSpec, JobStarted
from kleverproto.references import ModelRef
from kleverproto.scans import Scan
from kleverproto.signatures import Signature

DIGEST = f"sha256:{'a' * 64}"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SIGNATURE = Signature(operators={"Add": 1})
SCAN = Scan(verdict="clean", scanner="klever", scanner_version="0.1.0")


def intent(event_id: str, sequence: int) -> Intent:
    """The position of a request in its stream. Its event is its own correlation."""
    return Intent(sequence=sequence, event_id=event_id, correlation_id=event_id)


def request(
    sequence: int = 1,
    *,
    version: str = "v1",
    job: str = "job-1",
    digest: str = DIGEST,
    again: bool = False,
    is_push: bool = False,
    project: str = "library",
) -> Request:
    """The request event-<sequence>, for the same job with any tag."""
    ref = ModelRef.parse(f"{project}/adder:{version}")
    spec = JobSpec(kind=JobKind.EXTRACT, ref=ref, digest=digest, registry="localhost:5000", format="ONNX")
    return Request(intent(f"event-{sequence}", sequence), job, spec, again=again, is_push=is_push)


@dataclass
class ScriptedSource:
    """Raises the given errors, one for each fetch, then finds every model."""

    errors: list[Exception] = field(default_factory=list)
    fetched: list[Path] = field(default_factory=list)

    async def fetch(self, spec: JobSpec, destination: Path) -> FetchedModel:
        """See `ports.ModelSource`."""
        self.fetched.append(destination)
        if self.errors:
            raise self.errors.pop(0)
        return FetchedModel(destination / "model", spec.format)


@dataclass
class GatedExecutor:
    """Parses when the test allows it; `outcome` is the result."""

    outcome: Signature | Exception = SIGNATURE
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[str | None] = field(default_factory=list)

    async def extract(self, directory: Path, format_name: str | None) -> Signature:
        """See `ports.JobExecutor`."""
        assert directory.name == "model"
        self.calls.append(format_name)
        self.started.set()
        await self.gate.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def scan(self, directory: Path) -> Scan:
        """See `ports.JobExecutor`."""
        assert directory.name == "model"
        return SCAN


@dataclass
class Backlog:
    """The messages that an earlier process left."""

    requests: list[Request]

    async def unfinished(self) -> list[Request]:
        """See `ports.Backlog`."""
        return self.requests


class InMemoryWithdrawals:
    """See `ports.Withdrawals`."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def add(self, job: str, sequence: int) -> None:
        """Store a cancellation or deletion at this position."""
        self._last[job] = max(sequence, self._last.get(job, 0))

    async def is_withdrawn(self, request: Request) -> bool:
        """See `ports.Withdrawals`."""
        return self._last.get(request.job, 0) > request.intent.sequence


class Gated(RecordingPublisher):
    """Stores JobStarted when the test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.reached = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def publish(self, event: Event[Any]) -> None:
        """See `EventPublisher`."""
        if isinstance(event.data, JobStarted):
            self.reached.set()
            await self.gate.wait()
        await super().publish(event)


class Runner:
    """A jobrunner without NATS, registry and processes. Documents and events outlive it, as bucket and stream do."""

    def __init__(
        self,
        directory: Path,
        documents: Documents[JobDocument] | None = None,
        publisher: RecordingPublisher | None = None,
        *,
        operations: Mapping[JobKind, Operation] | None = None,
        slots: int | None = None,
        name: str = "runner-1",
        renew_seconds: float = 0.01,
        lapse_seconds: float = 30.0,
        withdrawals: InMemoryWithdrawals | None = None,
    ) -> None:
        self.documents = InMemoryDocuments[JobDocument]() if documents is None else documents
        self.publisher = RecordingPublisher() if publisher is None else publisher
        self.source = ScriptedSource()
        self.executor = GatedExecutor()
        self.executor.gate.set()
        self.directory = directory
        self.shortage: str | None = None
        self.now = NOW
        self.metrics = CollectorRegistry()
        ledger = Ledger(self.documents, self.publisher, EventSource("jobrunner"), lambda: self.now)
        self.monitor = JobMonitor(self.documents)
        claims = Claims(ledger, self.monitor, renew_seconds=renew_seconds, lapse_seconds=lapse_seconds)
        extraction = Extraction(self.source, self.executor)
        done = {JobKind.EXTRACT: extraction} if operations is None else operations
        attempts = Attempts(ledger, claims, done, directory, JobDurations(self.metrics))
        heavy: dict[JobKind, FairSlots] = {}
        if slots is not None:
            heavy[JobKind.EXTRACT] = FairSlots(slots, lambda: self.monitor.running(JobKind.EXTRACT, except_by=name))
        self.withdrawals = withdrawals or InMemoryWithdrawals()
        self.jobs = Jobs(name, ledger, claims, attempts, self.withdrawals, lambda: self.shortage, heavy)
        self.adoption = Adoption(self.jobs, claims, heavy, pause=0.01)
        self.deletions = Deletions(ledger)
        self.loops: list[asyncio.Task[None]] = []

    def follow(self) -> None:
        """Run the background loops, as the service does."""
        self.loops += [asyncio.create_task(loop()) for loop in (self.monitor.run, self.adoption.run)]

    async def kill(self) -> None:
        """Stop the background loops and the jobs that they started."""
        for loop in self.loops:
            loop.cancel()
        await asyncio.gather(*self.loops, return_exceptions=True)

    def start(self, request: Request) -> "asyncio.Task[None]":
        """Handle a request concurrently with the test."""
        return asyncio.create_task(self.jobs.run(request))

    async def cancel(self, sequence: int, job: str = "job-1") -> None:
        """Handle the cancellation cancel-<sequence>."""
        self.withdrawals.add(job, sequence)
        await self.jobs.cancel(intent(f"cancel-{sequence}", sequence), job, request().spec)

    async def delete(self, sequence: int, job: str = "job-1") -> None:
        """Handle the deletion delete-<sequence>."""
        self.withdrawals.add(job, sequence)
        await self.jobs.delete(intent(f"delete-{sequence}", sequence), job, request().spec)

    def published(self) -> list[str]:
        """The names of the published events, in order."""
        return [type(data).__name__ for data in self.publisher.data()]

    def causes(self) -> set[tuple[str, str | None]]:
        """The name and cause of each published event."""
        return {(type(event.data).__name__, event.causation_id) for event in self.publisher.events}

    async def job(self, name: str = "job-1") -> JobDocument:
        """The document of a job."""
        stored = await self.documents.get(name)
        assert stored is not None
        return stored.document

    async def phase(self, name: str = "job-1") -> JobPhase | None:
        """The phase of a job, or None if there is none."""
        stored = await self.documents.get(name)
        return stored.document.status.phase if stored else None

    async def is_in(self, phase: JobPhase, name: str = "job-1") -> bool:
        """Return whether a job has this phase."""
        return await self.phase(name) is phase
