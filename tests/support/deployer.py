"""A deployer in memory: what it did, in order, and a way to let it die before any step."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from klever_deployer.adapters.catalogue import DocumentCatalogue, DocumentPolicies
from klever_deployer.adapters.memory import InMemoryDataPlane, InMemoryWorkloads
from klever_deployer.domain.replicas import Deployment, Endpoint, LocalModel, ReplicaKey, ReplicaSpec, ServingName
from klever_deployer.domain.routing import BackendKey, ServingRoute
from klever_deployer.errors import CONVERSION_FAILED, PULL_FAILED, TOOLCHAIN_FAILED, ServingError
from klever_deployer.service.advancing import Advance
from klever_deployer.service.models import Models
from klever_deployer.service.reconciling import Reconciler
from klever_deployer.service.records import Records
from klever_deployer.service.rollout import Rollout
from klever_deployer.service.scaling import Scaler
from klever_deployer.service.servers import Servers
from kleverkit.documents import NEVER
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverproto.conversions import Conversion, ConversionRecord, ConvertedModel, Verification
from kleverproto.documents import Intent
from kleverproto.envelope import Event, EventSource
from kleverproto.models import ExtractionPhase, ModelDocument, ModelSpec, ModelStatus, ModelUpdated
from kleverproto.projects import OnUnsafe, ProjectDocument, ProjectPolicy, ProjectSpec, ProjectStatus
from kleverproto.references import ModelRef
from kleverproto.scans import Scan
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant
from support.golden_events import NOW, REGISTRY
from support.waiting import eventually

IRIS = ServingName("default", "iris")
WAITING = Endpoint("127.0.0.1", 9)
CLEAN = Scan(verdict="clean", scanner="picklescan", scanner_version="1")
INGRESS = "http://ingress:8081"


def digest(version: str) -> str:
    """A digest for each tag, except that `<tag>-again` is the bytes of `<tag>`."""
    return f"sha256:{version.removesuffix('-again').encode().hex():0>64}"


def spec(*versions: str, weights: tuple[int, ...] = (100,), replicas: int = 1) -> ServingSpec:
    """A variant for each tag of library/iris, named after it."""
    variants = tuple(Variant(name=v, model=f"library/iris:{v}", replicas=replicas) for v in versions)
    return ServingSpec(variants=variants, traffic=Traffic(weights=dict(zip(versions, weights, strict=True))))


def variant(version: str, **changes: Any) -> Variant:
    """A variant with its digest."""
    return Variant(name=version, model=f"library/iris:{version}", digest=digest(version), **changes)


def deployment(version: str, *, replicas: int = 1) -> Deployment:
    return Deployment(variant(version, replicas=replicas), replicas)


def key(version: str, index: int = 0) -> ReplicaKey:
    return ReplicaKey(IRIS, version, deployment(version).revision, index)


def model_document(ref: str, digest_: str, registry: str = REGISTRY) -> ModelDocument:
    model = ModelSpec(ref=ModelRef.parse(ref), digest=digest_, registry=registry, artifact_type="application/x", size=1)
    return ModelDocument(spec=model, status=ModelStatus(scan=CLEAN), created_at=NOW, updated_at=NOW)


def weights(route: ServingRoute) -> dict[str, int]:
    """Variant and, where it has two, revision, to percent."""
    names = [share.backend.variant for share in route.shares]
    return {
        share.backend.variant if names.count(share.backend.variant) == 1 else share.backend.revision: share.weight
        // 100
        for share in route.shares
    }


class DiedError(Exception):
    """The deployer is dead: nothing it does has an effect any more."""


@dataclass
class Steps:
    """Everything that the deployer changed, in order."""

    taken: list[str] = field(default_factory=list)
    left: int | None = None
    """So many more, then it dies."""
    died: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, step: str) -> None:
        if self.left is not None and len(self.taken) >= self.left:
            self.died.set()
            raise DiedError(step)
        self.taken.append(step)


class SteppedDocuments(InMemoryDocuments[ServingDocument]):
    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    async def update(self, key: str, document: ServingDocument, revision: int) -> int:
        if revision != NEVER:  # the intent itself is no step of the deployer
            self._steps.take(f"record {document.status.phase} {document.status.step}")
        return await super().update(key, document, revision)


class SteppedPublisher(RecordingPublisher):
    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    async def publish(self, event: Event[Any]) -> None:
        self._steps.take(f"tell {type(event.data).__name__}")
        await super().publish(event)


class SteppedWorkloads(InMemoryWorkloads):
    def __init__(self, steps: Steps, unready: dict[str, str | None]) -> None:
        super().__init__(unready)
        self._steps = steps

    async def start(self, spec: ReplicaSpec) -> None:
        if all(state.key != spec.key for state in self.states()):
            self._steps.take(f"start {spec.version}")
        await super().start(spec)

    async def stop(self, key: ReplicaKey) -> None:
        self._steps.take(f"stop {key.variant}")
        await super().stop(key)


class SteppedDataPlane(InMemoryDataPlane):
    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    async def apply(self, route: ServingRoute) -> None:
        if self.routes.get(route.serving) != route:
            self._steps.take(f"route {' '.join(f'{name}={weight}' for name, weight in weights(route).items())}")
        await super().apply(route)

    async def remove(self, serving: ServingName) -> None:
        self._steps.take("unroute")
        await super().remove(serving)


class InMemoryModels:
    """See `ports.ModelStore`."""

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.formats: dict[str, str] = {}
        self.unreachable: set[str] = set()

    async def find(self, digest: str) -> LocalModel | None:
        return self._model(digest) if digest in self.here else None

    async def fetch(self, ref: ModelRef, digest: str, registry: str) -> LocalModel:
        if digest in self.unreachable:
            raise ServingError(f"{ref} cannot be pulled from {registry}", code=PULL_FAILED)
        self.here.add(digest)
        return self._model(digest)

    async def keep_only(self, digests: set[str]) -> None:
        self.here &= digests

    def _model(self, digest: str) -> LocalModel:
        return LocalModel(Path("/models"), self.formats.get(digest, "ONNX"))


class InMemoryToolchains:
    """See `ports.Toolchains`."""

    def __init__(self) -> None:
        self.installed: set[str] = set()
        self.broken: set[str] = set()

    def is_installed(self, name: str) -> bool:
        return name in self.installed

    async def ensure(self, name: str) -> Path:
        if name in self.broken:
            raise ServingError(f"{name} cannot be installed", code=TOOLCHAIN_FAILED)
        self.installed.add(name)
        return Path("/toolchains") / name


class InMemoryConversions:
    """See `ports.Conversions`; what is made has the digest of `<tag>-<target>`."""

    def __init__(self) -> None:
        self.made: dict[str, ConvertedModel] = {}
        self.asked: list[str] = []
        self.broken = False

    async def find(self, ref: ModelRef, digest: str, target: str) -> ConvertedModel | None:
        found = self.made.get(digest)
        return found if found is not None and found.ref == Conversion(to=target).result(ref) else None

    async def make(self, model: ModelDocument, digest: str, model_format: str, target: str) -> ConvertedModel:
        self.asked.append(f"{model.spec.ref} {model_format} {target}")
        if self.broken:
            raise ServingError("it cannot be converted", code=CONVERSION_FAILED)
        ref = Conversion(to=target).result(model.spec.ref)
        record = ConversionRecord(
            source_format=model_format,
            target_format=target,
            steps=(),
            verification=Verification(verified=True),
            seconds=0.1,
        )
        self.made[digest] = ConvertedModel(ref=ref, digest=made_digest(digest), registry=REGISTRY, record=record)
        return self.made[digest]

    def routes(self, model_format: str) -> tuple[str, ...]:
        return ("ONNX",) if model_format == "Skops" else ()


def made_digest(digest: str) -> str:
    """Of what is made of a model."""
    return f"sha256:{digest[8:]}f"


def waiting_room(_backend: BackendKey) -> Endpoint:
    """Where requests wait for a replica."""
    return WAITING


class World:
    """What outlives a deployer, and new deployers for it."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.documents = SteppedDocuments(self.steps)
        self.publisher = SteppedPublisher(self.steps)
        self.unready: dict[str, str | None] = {}
        self.workloads = SteppedWorkloads(self.steps, self.unready)
        self.data_plane = SteppedDataPlane(self.steps)
        self.store = InMemoryModels()
        self.toolchains = InMemoryToolchains()
        self.seconds = 0.0
        self.scaler = Scaler(self.data_plane, lambda: self.seconds)
        self.conversions = InMemoryConversions()
        self.catalogue: InMemoryDocuments[ModelDocument] = InMemoryDocuments()
        self.projects: InMemoryDocuments[ProjectDocument] = InMemoryDocuments()
        self.records = Records(self.documents, self.publisher, EventSource("deployer", lambda: NOW), lambda: self.now)
        self.now = NOW
        self.sequence = 0

    async def push(self, *versions: str) -> None:
        for version in versions:
            document = model_document(f"library/iris:{version}", digest(version))
            await self.catalogue.create(document.spec.ref.key, document)

    async def allow_unsafe(self) -> None:
        """Let the project serve what is not safe, or not scanned."""
        project = ProjectSpec(name="library", policy=ProjectPolicy(scan=OnUnsafe.WARN))
        document = ProjectDocument(spec=project, status=ProjectStatus(), created_at=NOW, updated_at=NOW)
        await self.projects.create("library", document)

    async def move_tag(self, version: str, digest_: str, scan: Scan | None = CLEAN) -> Event[ModelUpdated]:
        """Push other bytes to a tag; the event that tells what is known of them."""
        document = model_document(f"library/iris:{version}", digest_)
        key_ = document.spec.ref.key
        document = document.model_copy(update={"status": ModelStatus(scan=scan)})
        stored = await self.catalogue.get(key_)
        assert stored is not None
        await self.catalogue.update(key_, document, stored.revision)
        self.sequence += 1
        updated = ModelUpdated(ref=document.spec.ref, digest=digest_, extraction=ExtractionPhase.SUCCEEDED, scan=scan)
        return EventSource("registry", lambda: NOW).event(
            updated, event_id=f"push-{self.sequence}", correlation_id="story of a push"
        )

    async def request(self, wanted: ServingSpec, serving: ServingName = IRIS) -> None:
        await self.records.request(serving, wanted, self.next_intent())

    async def request_deletion(self, serving: ServingName = IRIS) -> None:
        await self.records.request_deletion(serving, self.next_intent())

    def next_intent(self) -> Intent:
        self.sequence += 1
        return Intent(sequence=self.sequence, event_id=f"event-{self.sequence}", correlation_id="correlation")

    def rollout(self, *, ready_timeout: float = 5.0) -> Rollout:
        servers = Servers(self.workloads, self.data_plane, INGRESS, ready_timeout, self.scaler, waiting_room)
        models = Models(
            DocumentCatalogue(self.catalogue),
            DocumentPolicies(self.projects),
            self.store,
            self.toolchains,
            self.conversions,
        )
        return Rollout(self.records, models, servers, Advance(self.records, servers, tick_seconds=0.005))

    @asynccontextmanager
    async def deployer(self, *, resync_seconds: float = 60.0) -> AsyncIterator[Reconciler]:
        """A new one, that runs."""
        reconciler = Reconciler(
            records=self.records,
            rollout=self.rollout(),
            workloads=self.workloads,
            scaler=self.scaler,
            data_plane=self.data_plane,
            store=self.store,
            clock=lambda: NOW,
            resync_seconds=resync_seconds,
        )
        task = asyncio.create_task(reconciler.run())
        try:
            yield reconciler
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def document(self, serving: ServingName = IRIS) -> ServingDocument:
        document = await self.records.read(serving)
        assert document is not None
        return document

    async def settled(self, *phases: ServingPhase, serving: ServingName = IRIS) -> ServingDocument:
        """The document, once the last generation has ended like this and was told."""

        async def is_settled() -> ServingDocument | None:
            document = await self.document(serving)
            told = document.status.step == document.status.phase.lower()
            return document if told and document.status.phase in phases else None

        document = await eventually(is_settled, within=3)
        assert document is not None
        return document

    def told(self) -> list[str]:
        """The types of the events, in order."""
        return [type(data).__name__ for data in self.publisher.data()]

    def running(self) -> list[str]:
        """The variants that have replicas, one for each."""
        return sorted(state.key.variant for state in self.workloads.states())

    def weights(self, serving: ServingName = IRIS) -> dict[str, int]:
        return weights(self.data_plane.routes[serving])
