"""Doubles of the jobrunner's ports, and a runner made of them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from klever_jobrunner.domain import Cause, Request
from klever_jobrunner.ports import FetchedModel, Work
from klever_jobrunner.service import Jobs, Ledger
from klever_jobrunner.slots import FairSlots
from klever_jobrunner.works import Extraction
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobDocument, JobKind, JobSpec
from kleverproto.references import ModelRef
from kleverproto.scans import Scan
from kleverproto.signatures import Signature

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SIGNATURE = Signature(operators={"Add": 1})
SCAN = Scan(verdict="clean", scanner="picklescan", scanner_version="1.0.5")


def request(event_id: str = "event-1", *, version: str = "v1", job: str = "job-1") -> Request:
    """A request for the same job whatever the tag."""
    ref = ModelRef.parse(f"library/adder:{version}")
    spec = JobSpec(kind=JobKind.EXTRACT, ref=ref, digest=f"sha256:{'a' * 64}", registry="localhost:5000", format="ONNX")
    return Request(Cause(event_id, event_id), NOW, job, spec)


@dataclass
class ScriptedSource:
    """Raises the errors it was given, one for each fetch, then finds every model."""

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
    """Parses when it is let; `outcome` is what comes of it."""

    outcome: Signature | Exception = SIGNATURE
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str | None] = field(default_factory=list)

    async def extract(self, directory: Path, format_name: str | None) -> Signature:
        """See `ports.JobExecutor`."""
        assert directory.name == "model"
        self.asked.append(format_name)
        self.begun.set()
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
    """What an earlier process left."""

    requests: list[Request]

    async def unfinished(self) -> list[Request]:
        """See `ports.Backlog`."""
        return self.requests


class Runner:
    """A jobrunner without NATS, registry and processes; `documents` outlive it as the bucket does."""

    def __init__(
        self,
        directory: Path,
        documents: InMemoryDocuments[JobDocument] | None = None,
        *,
        works: Mapping[JobKind, Work] | None = None,
        places: int | None = None,
    ) -> None:
        self.documents = documents or InMemoryDocuments[JobDocument]()
        self.publisher = RecordingPublisher()
        self.source = ScriptedSource()
        self.executor = GatedExecutor()
        self.executor.gate.set()
        self.directory = directory
        ledger = Ledger(self.documents, self.publisher, EventSource("jobrunner"), lambda: NOW)
        slots = {JobKind.EXTRACT: FairSlots(places)} if places else {}
        extraction = Extraction(self.source, self.executor)
        self.jobs = Jobs(ledger, {JobKind.EXTRACT: extraction} if works is None else works, directory, slots=slots)

    def told(self) -> list[str]:
        """The names of the events that were published, in order."""
        return [type(data).__name__ for data in self.publisher.data()]

    async def job(self, name: str = "job-1") -> JobDocument:
        """The document of a job."""
        stored = await self.documents.get(name)
        assert stored is not None
        return stored.document
