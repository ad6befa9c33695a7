"""A deployer in memory that records its steps and can be killed before any of them."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from klever_deployer.adapters.catalogue import DocumentCatalogue, DocumentPolicies
from klever_deployer.adapters.local.preparation import LocalPreparation
from klever_deployer.adapters.local.replica_specs import LocalModel, ReplicaKey, replica_key
from klever_deployer.adapters.local.shelf import Shelf
from klever_deployer.adapters.memory import InMemoryBackend, InMemoryCopies, InMemoryWorkloads
from klever_deployer.adapters.memory_data_plane import InMemoryDataPlane
from klever_deployer.adapters.request_scaling import RequestScaling
from klever_deployer.domain.analysis import Counts
from klever_deployer.domain.versions import ModelFacts, ModelSource, VersionSpec
from klever_deployer.errors import CONVERSION_FAILED, PULL_FAILED, TOOLCHAIN_FAILED, DataPlaneError, ServingError
from klever_deployer.ports import OnStep, ServingCopy
from klever_deployer.service.copies import Copies
from klever_deployer.service.intents import Intents
from klever_deployer.service.models import Models
from klever_deployer.service.observer import Observer
from klever_deployer.service.promoter import Promoter
from klever_deployer.service.reconciler import Reconciler
from klever_deployer.service.records import Records, key_of
from klever_deployer.service.restorer import Restorer
from klever_deployer.service.rollout import Rollout
from klever_deployer.service.servers import Servers
from kleverkit.documents import NEVER, Buried, Incarnation, Listing, Stored
from kleverkit.errors import TransientError
from kleverkit.incarnations import Verdict, compare
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.metrics import histogram
from kleverkit.publisher import RecordingPublisher
from kleverproto.conversions import Conversion, ConversionRecord, ConvertedModel, Verification
from kleverproto.documents import Intent, Tombstone
from kleverproto.envelope import Event, EventSource
from kleverproto.metrics import RECONCILE_DURATION, ROLLOUT_DURATION
from kleverproto.models import ExtractionPhase, ModelDocument, ModelMetadata, ModelSpec, ModelStatus, ModelUpdated
from kleverproto.projects import OnUnsafe, ProjectDocument, ProjectPolicy, ProjectSpec, ProjectStatus
from kleverproto.references import ModelRef
from kleverproto.scans import Scan
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDeleteRequested, ServingDocument, ServingPhase, ServingRequested
from kleverproto.traffic import Traffic
from kleverproto.variants import CUSTOM, Variant
from kleverroutes.routing import ServingRoute
from kleverroutes.versions import Deployment, ServingName, VersionKey
from kleversandbox.support import Confinement, Support
from support.golden_events import NOW, REGISTRY
from support.loops import running_loops
from support.waiting import eventually

IRIS = ServingName("default", "iris")
CLEAN = Scan(verdict="clean", scanner="klever", scanner_version="1")
INGRESS = "http://ingress:8081"


def digest(version: str) -> str:
    """A digest for each tag; `<tag>-again` has the same digest as `<tag>`."""
    return f"sha256:{version.removesuffix('-again').encode().hex():0>64}"


PARSED = ModelStatus(scan=CLEAN, extraction=ExtractionPhase.SUCCEEDED)
"""The status of a version that may be served."""


def spec(*versions: str, weights: tuple[int, ...] = (100,), replicas: int = 1) -> ServingSpec:
    """A spec with a variant for each tag of library/iris, named after it."""
    variants = tuple(Variant(name=v, model=f"library/iris:{v}", replicas=replicas) for v in versions)
    return ServingSpec(variants=variants, traffic=Traffic(weights=dict(zip(versions, weights, strict=True))))


def variant(version: str, **changes: Any) -> Variant:
    """A variant with its digest."""
    return Variant(name=version, model=f"library/iris:{version}", digest=digest(version), **changes)


def deployment(version: str, *, replicas: int = 1) -> Deployment:
    return Deployment(variant(version, replicas=replicas), replicas)


def key(version: str) -> VersionKey:
    return deployment(version).key(IRIS)


def process_key(version: str, index: int = 0) -> ReplicaKey:
    return replica_key(key(version), index)


def version_spec(version: str, **changes: Any) -> VersionSpec:
    """The spec of a version whose model is in a registry."""
    variant_, ref = variant(version, **changes), ModelRef.parse(f"library/iris:{version}")
    model = ModelSource(ref, digest(version), REGISTRY, ModelFacts("ONNX"))
    runtime = CUSTOM if variant_.custom else "kleverserve"
    return VersionSpec(Deployment(variant_, 1).key(IRIS), variant_, model, runtime)


def model_document(ref: str, digest_: str, registry: str = REGISTRY, *, model_format: str = "ONNX") -> ModelDocument:
    model = ModelSpec(
        ref=ModelRef.parse(ref),
        digest=digest_,
        registry=registry,
        artifact_type="application/x",
        size=1,
        metadata=ModelMetadata(format=model_format),
    )
    return ModelDocument(spec=model, status=PARSED, created_at=NOW, updated_at=NOW)


def weights(route: ServingRoute) -> dict[str, int]:
    """Return the percentage of each variant, or of each variant and revision if it has two."""
    names = [share.version.variant for share in route.shares]
    return {
        share.version.variant if names.count(share.version.variant) == 1 else share.version.revision: share.weight
        // 100
        for share in route.shares
    }


class DiedError(Exception):
    """The deployer is dead: its operations have no effect."""


@dataclass
class Steps:
    """Every change that the deployer made, in order."""

    taken: list[str] = field(default_factory=list)
    left: int | None = None
    """The number of steps before it dies."""
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
        self.reads = 0
        """The number of documents that were read by their key."""
        self.listings: list[int] = []
        """The number of documents in each listing."""
        self.listed: Callable[[list[Stored[ServingDocument]]], list[Stored[ServingDocument]]] = list
        """Returns the result of a listing from the existing documents."""
        self.unreachable = False
        """True if nothing can be written."""
        self.hold: tuple[asyncio.Event, asyncio.Event] | None = None
        """The next listing sets the first event once it has read the documents, and returns once the second is set."""

    async def find(self, key: str) -> Stored[ServingDocument] | Buried[ServingDocument] | None:
        self.reads += 1
        return await super().find(key)

    def content(self) -> dict[str, Any]:
        """Return the contents, as a backup does."""
        return {name: value for name, value in vars(self).items() if name in {"_entries", "_revision", "_created"}}

    def restore(self, backup: dict[str, Any]) -> None:
        """Restore the contents of a backup."""
        vars(self).update(backup)

    def drop(self, key: str) -> None:
        """Lose one document without a tombstone."""
        del self._entries[key]

    async def listing(self) -> Listing[ServingDocument]:
        listing = await super().listing()
        documents = self.listed(list(listing.documents))
        if self.hold is not None:
            (read, later), self.hold = self.hold, None
            read.set()
            await later.wait()
        self.listings.append(len(documents))
        return replace(listing, documents=tuple(documents))

    async def update(self, key: str, document: ServingDocument, revision: int) -> int:
        if self.unreachable:
            raise TransientError("NATS does not answer")
        if revision != NEVER:  # storing the intent itself is not a step of the deployer
            self._steps.take(f"record {document.status.phase} {document.status.step}")
        return await super().update(key, document, revision)

    async def bury(self, key: str, tombstone: Tombstone[ServingDocument], revision: int) -> int:
        self._steps.take(f"bury {'announced' if tombstone.announced else 'unannounced'}")
        return await super().bury(key, tombstone, revision)

    def lose(self) -> None:
        """Become another, empty bucket."""
        InMemoryDocuments.__init__(self)


class SteppedPublisher(RecordingPublisher):
    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    async def publish(self, event: Event[Any]) -> None:
        self._steps.take(f"publish {type(event.data).__name__}")
        await super().publish(event)


class SteppedWorkloads(InMemoryWorkloads):
    def __init__(self, steps: Steps, unready: dict[str, str | None]) -> None:
        super().__init__(unready)
        self._steps = steps

    async def apply(self, spec: VersionSpec, replicas: int) -> None:
        present = {state.key: state.desired for state in self.states()}
        if spec.key not in present:
            self._steps.take(f"start {spec.tag}")
        elif present[spec.key] != replicas:
            self._steps.take(f"scale {spec.tag} {replicas}")
        await super().apply(spec, replicas)

    async def remove(self, version: VersionKey) -> None:
        self._steps.take(f"stop {version.variant}")
        await super().remove(version)


class SteppedDataPlane(InMemoryDataPlane):
    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps
        self.on_apply: Callable[[ServingRoute], Awaitable[None]] | None = None
        """Called before a route is applied."""
        self.uncounted: str | None = None
        """The reason why no counters are available."""

    async def counts(self, versions: Collection[VersionKey]) -> dict[VersionKey, Counts]:
        if self.uncounted is not None:
            raise DataPlaneError(self.uncounted)
        return await super().counts(versions)

    async def apply(self, route: ServingRoute) -> None:
        if self.on_apply is not None:
            await self.on_apply(route)
        if self.routes.get(route.serving) != route:
            self._steps.take(f"route {' '.join(f'{name}={weight}' for name, weight in weights(route).items())}")
        await super().apply(route)

    async def remove(self, serving: ServingName) -> None:
        self._steps.take("unroute")
        await super().remove(serving)


class InMemoryModels:
    """See `shelf.ModelStore`, and `ports.ModelRegistries` which it pulls from."""

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.formats: dict[str, str] = {}
        self.unreachable: set[str] = set()
        self.described: list[str] = []
        """The manifests that were requested from a registry."""

    async def find(self, digest: str) -> LocalModel | None:
        return self._model(digest) if digest in self.here else None

    async def fetch(self, source: ModelSource) -> LocalModel:
        if source.registry is None:
            raise TransientError(f"nobody knows where {source.ref} is")
        if source.digest in self.unreachable:
            raise ServingError(f"{source.ref} cannot be pulled from {source.registry}", code=PULL_FAILED)
        self.here.add(source.digest)
        return self._model(source.digest)

    async def describe(self, ref: ModelRef, digest: str, registry: str) -> ModelFacts:
        self.described.append(f"{ref}@{digest} in {registry}")
        return ModelFacts(self._model(digest).format)

    async def digests(self) -> set[str]:
        return set(self.here)

    async def remove(self, digest: str) -> None:
        self.here.discard(digest)

    def _model(self, digest: str) -> LocalModel:
        return LocalModel(Path("/models"), self.formats.get(digest, "ONNX"))


class CopiesOnFullDisk(InMemoryCopies):
    """See `ports.CopyStore`. Nothing can be written while the disk is full."""

    full = False

    async def write(self, serving: ServingName, copy: ServingCopy) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        await super().write(serving, copy)


class InMemoryToolchains:
    """See `preparation.Toolchains`."""

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
    """See `ports.Conversions`; a result has the digest of `<tag>-<target>`."""

    def __init__(self) -> None:
        self.made: dict[str, ConvertedModel] = {}
        self.calls: list[str] = []
        self.broken = False

    async def find(self, ref: ModelRef, digest: str, target: str) -> ConvertedModel | None:
        made = self.made.get(digest)
        return made if made is not None and made.ref == Conversion(to=target).result(ref) else None

    async def make(
        self, model: ModelDocument, digest: str, model_format: str, target: str, on_step: OnStep
    ) -> ConvertedModel:
        await on_step("converting")
        self.calls.append(f"{model.spec.ref} {model_format} {target}")
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
        registry = model.spec.registry
        self.made[digest] = ConvertedModel(ref=ref, digest=made_digest(digest), registry=registry, record=record)
        return self.made[digest]

    def routes(self, model_format: str) -> tuple[str, ...]:
        return ("ONNX",) if model_format == "Skops" else ()


def made_digest(digest: str) -> str:
    """The digest of the result of a conversion."""
    return f"sha256:{digest[8:]}f"


class InMemoryRemembered:
    """An in-memory record of a bucket or stream."""

    def __init__(self, incarnation: Callable[[], Awaitable[Incarnation]]) -> None:
        self._incarnation = incarnation
        self._remembered: Incarnation | None = None
        self._seen: Incarnation | None = None

    async def look(self) -> Verdict:
        self._seen = await self._incarnation()
        return compare(self._remembered, self._seen)

    async def accept(self) -> None:
        self._remembered = self._seen


class World:
    """The state that outlives a deployer, and a factory of deployers."""

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
        self.scaler = RequestScaling(self.data_plane, lambda: self.seconds)
        self.conversions = InMemoryConversions()
        self.confinement = Confinement(Support(abi=7, has_filter=True))
        self.catalogue: InMemoryDocuments[ModelDocument] = InMemoryDocuments()
        self.projects: InMemoryDocuments[ProjectDocument] = InMemoryDocuments()
        self.copies = CopiesOnFullDisk()
        self.now = NOW
        self.sequence = 0
        self.stream_created = NOW
        self.bucket_memory = InMemoryRemembered(self.documents.incarnation)
        self.stream_memory = InMemoryRemembered(self.stream)
        self.allow_commands = True
        self.metrics = CollectorRegistry()
        self.rollout_duration = histogram(ROLLOUT_DURATION, self.metrics)
        self.restart()

    def restart(self) -> None:
        """Discard the in-memory state of a deployer."""
        events = EventSource("deployer", lambda: NOW)
        self.records = Records(self.documents, self.publisher, events, lambda: self.now, Copies(self.copies))
        preparation = LocalPreparation(Shelf(self.store), self.toolchains, self.confinement)
        self.backend = InMemoryBackend(self.workloads, self.data_plane, self.scaler, preparation)
        servers = Servers(self.backend, "", ready_timeout=1.0, allow_commands=self.allow_commands)
        self.intents = Intents(self.records, servers.problem)

    async def push(self, *versions: str) -> None:
        for version in versions:
            document = model_document(f"library/iris:{version}", digest(version))
            await self.catalogue.create(document.spec.ref.key, document)

    async def set_format(self, version: str, model_format: str) -> None:
        """Change the declared format of a version."""
        self.store.formats[digest(version)] = model_format
        stored = await self.catalogue.get(ModelRef.parse(f"library/iris:{version}").key)
        assert stored is not None
        metadata = stored.document.spec.metadata.model_copy(update={"format": model_format})
        described = stored.document.spec.model_copy(update={"metadata": metadata})
        await self.catalogue.update(stored.key, stored.document.replace(spec=described), stored.revision)

    async def allow_unsafe(self) -> None:
        """Allow the project to serve unsafe or unscanned models."""
        await self.set_policy(ProjectPolicy(scan=OnUnsafe.WARN))

    async def set_policy(self, policy: ProjectPolicy) -> None:
        """Set the first policy of the project."""
        project = ProjectSpec(name="library", policy=policy)
        document = ProjectDocument(spec=project, status=ProjectStatus(), created_at=NOW, updated_at=NOW)
        await self.projects.create("library", document)

    async def move_tag(
        self,
        version: str,
        digest_: str,
        scan: Scan | None = CLEAN,
        labels: dict[str, str] | None = None,
        **known: Any,
    ) -> Event[ModelUpdated]:
        """Push other bytes to a tag. Return the event about their status."""
        document = model_document(f"library/iris:{version}", digest_)
        labelled = document.spec.model_copy(update={"metadata": ModelMetadata(format="ONNX", labels=labels or {})})
        document = document.model_copy(update={"spec": labelled})
        key_ = document.spec.ref.key
        stored = await self.catalogue.get(key_)
        assert stored is not None
        generation = stored.document.generation + (stored.document.spec.digest != digest_)
        document = document.model_copy(
            update={"status": PARSED.model_copy(update={"scan": scan, **known}), "generation": generation}
        )
        await self.catalogue.update(key_, document, stored.revision)
        self.sequence += 1
        updated = ModelUpdated(ref=document.spec.ref, digest=digest_, extraction=ExtractionPhase.SUCCEEDED, scan=scan)
        return EventSource("registry", lambda: NOW).event(
            updated, event_id=f"push-{self.sequence}", correlation_id="story of a push"
        )

    async def recreate(self, version: str, digest_: str, *, created_at: datetime) -> None:
        """Delete a tag and push it again."""
        document = model_document(f"library/iris:{version}", digest_).model_copy(update={"created_at": created_at})
        stored = await self.catalogue.get(document.spec.ref.key)
        assert stored is not None
        await self.catalogue.update(stored.key, document, stored.revision)

    async def request(
        self,
        wanted: ServingSpec,
        serving: ServingName = IRIS,
        *,
        intent: Intent | None = None,
        generation: int = 1,
        expected: int | None = None,
    ) -> None:
        request = ServingRequested(
            namespace=serving.namespace,
            name=serving.name,
            spec=wanted,
            generation=generation,
            expected_generation=expected,
        )
        await self.intents.request(request, intent or self.next_intent())

    async def request_deletion(
        self, serving: ServingName = IRIS, *, intent: Intent | None = None, expected: int | None = None
    ) -> None:
        request = ServingDeleteRequested(namespace=serving.namespace, name=serving.name, expected_generation=expected)
        await self.intents.request_deletion(request, intent or self.next_intent())

    def next_intent(self) -> Intent:
        self.sequence += 1
        return Intent(sequence=self.sequence, event_id=f"event-{self.sequence}", correlation_id="correlation")

    async def stream(self) -> Incarnation:
        """The current stream of requests."""
        return Incarnation(self.stream_created, self.sequence)

    def restorer(self) -> Restorer:
        return Restorer(self.records, self.bucket_memory, self.stream_memory, self.stream)

    def rollout(self, *, ready_timeout: float = 5.0) -> Rollout:
        servers = Servers(self.backend, INGRESS, ready_timeout, self.allow_commands)
        models = Models(
            DocumentCatalogue(self.catalogue),
            DocumentPolicies(self.projects),
            self.store,
            self.backend.models,
            self.conversions,
        )
        promoter = Promoter(self.records, servers, tick_seconds=0.005)
        observer = Observer(self.records, servers)
        return Rollout(self.records, models, servers, promoter, observer, self.rollout_duration)

    def reconciler(self, restorer: Restorer, *, resync_seconds: float = 60.0) -> tuple[Reconciler, Servers]:
        """A new reconciler, with the servers that it reconciles."""
        rollout = self.rollout()
        reconciler = Reconciler(
            records=self.records,
            restorer=restorer,
            rollout=rollout,
            backend=self.backend,
            clock=lambda: self.now,
            resync_seconds=resync_seconds,
            duration=histogram(RECONCILE_DURATION, CollectorRegistry()),
        )
        return reconciler, rollout.servers

    @asynccontextmanager
    async def deployer(self, *, resync_seconds: float = 60.0) -> AsyncIterator[Reconciler]:
        """Run a new deployer."""
        restorer = self.restorer()
        reconciler, servers = self.reconciler(restorer, resync_seconds=resync_seconds)
        observer = Observer(self.records, servers)
        async with running_loops(reconciler.run, restorer.run, observer.run):
            yield reconciler

    async def document(self, serving: ServingName = IRIS) -> ServingDocument:
        document = await self.records.read(serving)
        assert document is not None
        return document

    async def settled(self, *phases: ServingPhase, serving: ServingName = IRIS) -> ServingDocument:
        """Return the document once the last generation has this phase and was announced."""

        async def is_settled() -> ServingDocument | None:
            document = await self.document(serving)
            announced = document.status.step == document.status.phase.lower()
            return document if announced and document.status.phase in phases else None

        document = await eventually(is_settled, within=3)
        assert document is not None
        return document

    async def tombstone(self, serving: ServingName = IRIS) -> Tombstone[ServingDocument]:
        """The tombstone of a serving whose deletion was published."""

        async def is_announced() -> Tombstone[ServingDocument] | None:
            buried = await self.documents.find(key_of(serving))
            return buried.tombstone if isinstance(buried, Buried) and buried.tombstone.announced else None

        tombstone = await eventually(is_announced, within=3)
        assert tombstone is not None
        return tombstone

    def announced(self) -> list[str]:
        """The types of the published events, in order."""
        return [type(data).__name__ for data in self.publisher.data()]

    def running(self) -> list[str]:
        """The variants that have replicas, once for each replica."""
        return sorted(state.key.variant for state in self.workloads.states() for _ in range(state.desired))

    def weights(self, serving: ServingName = IRIS) -> dict[str, int]:
        return weights(self.data_plane.routes[serving])
