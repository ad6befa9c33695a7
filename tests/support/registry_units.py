"""The registry's service over in-memory stores, with faults on request."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from klever_registry.adapters.memory import (
    InMemoryBlobs,
    InMemoryCopies,
    InMemoryLocks,
    InMemoryManifests,
    InMemoryUploads,
)
from klever_registry.domain.index import RepositoryIndex
from klever_registry.errors import StorageLostError
from klever_registry.service.admission import Admission, Limits
from klever_registry.service.alarms import Alarms
from klever_registry.service.announcer import Announcer
from klever_registry.service.blobs import Blobs
from klever_registry.service.copies import ModelCopies
from klever_registry.service.deletions import Deletions
from klever_registry.service.distribution import Distribution
from klever_registry.service.embedded import Embedded
from klever_registry.service.policies import Policies
from klever_registry.service.reconciler import Reconciler
from klever_registry.service.records import Records
from klever_registry.service.restorer import Restorer
from klever_registry.service.signatures import Signatures
from kleverkit.errors import TransientError
from kleverkit.incarnations import RememberedBucket
from kleverkit.leases import NotLeaderError
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.metrics import counter, histogram
from kleverkit.publisher import RecordingPublisher
from kleverproto.envelope import Event, EventSource
from kleverproto.metrics import PUSH_TO_SERVABLE, REGISTRY_TRANSFER
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.references import ModelRef
from support import oci_artifacts as oci
from support.bucket_contents import stored_in
from support.waiting import eventually

ADDRESS = "127.0.0.1:5000"
REPOSITORY = "library/iris"


class Clock:
    """Advances with each reading, so that no two times are equal, and on request."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class FlakyPublisher(RecordingPublisher):
    """A stream that refuses as many events as a test sets, and remembers ids for as long as a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0
        self.drops_duplicates = True

    async def publish(self, event: Event[Any]) -> None:
        if self.failures:
            self.failures -= 1
            raise TransientError("NATS does not answer")
        if self.drops_duplicates:
            await super().publish(event)
        else:
            self.events.append(event)

    async def store(self, event: Event[Any]) -> int:
        """See `klever_registry.ports.Announcements`."""
        await self.publish(event)
        return self._positions(event)[-1]

    async def find(self, event: Event[Any], position: int | None) -> int | None:
        """See `klever_registry.ports.Announcements`."""
        positions = self._positions(event)
        if position is not None:
            return position if position in positions else None
        return positions[-1] if positions else None

    def _positions(self, event: Event[Any]) -> list[int]:
        return [position for position, known in enumerate(self.events, 1) if known.id == event.id]

    def names(self) -> list[str]:
        """The kinds of the published events, in order."""
        return [type(data).__name__ for data in self.data()]


class FlakyManifests(InMemoryManifests):
    """Loses repositories and fails to read some."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[str] = set()

    async def index(self, repository: str) -> RepositoryIndex | None:
        if repository in self.unreadable:
            raise StorageLostError(f"{repository} has lost its index.json")
        return await super().index(repository)

    def lose(self) -> dict[str, RepositoryIndex]:
        """Lose everything, like an unmounted volume. Return the contents for a restoration."""
        lost, self._indexes = self._indexes, {}
        return lost

    def give_back(self, lost: dict[str, RepositoryIndex]) -> None:
        self._indexes = lost


class FlakyEmbedded(Embedded):
    """Fails in unexpected ways."""

    failure: Exception | None = None

    async def config(self, repository: str, digest: str, size: int) -> bytes | None:
        if self.failure is not None:
            raise self.failure
        return await super().config(repository, digest, size)


class FixedUsage:
    """See `ports.Usage`; a test sets the served tags and their servings."""

    def __init__(self) -> None:
        self.by_tag: dict[str, str] = {}

    def servings_of(self, _repository: str, tags: Collection[str], _digest: str | None) -> list[str]:
        return [serving for tag, serving in self.by_tag.items() if tag in tags]


class EmptySpace:
    """See `ports.Space`."""

    async def used(self, _project: str) -> int:
        return 0

    async def open_uploads(self, _project: str) -> int:
        return 0


def unlimited() -> Admission:
    """Admits every upload."""
    return Admission(Limits(blob_bytes=2**40, open_uploads=1000), EmptySpace(), None, time.monotonic)


class RegistryUnits:
    """One registry: its stores, its catalogue, and the services that use both."""

    def __init__(self, home: Path) -> None:
        self.clock, self.publisher, self.manifests, self.blobs = (
            Clock(),
            FlakyPublisher(),
            FlakyManifests(),
            InMemoryBlobs(),
        )
        self.documents = InMemoryDocuments[ModelDocument]()
        self.projects = InMemoryDocuments[ProjectDocument]()
        self.copies = InMemoryCopies[ModelDocument]()
        self.served = FixedUsage()
        self.metrics = CollectorRegistry()
        self.push_to_servable = histogram(PUSH_TO_SERVABLE, self.metrics)
        self.transfers = counter(REGISTRY_TRANSFER, self.metrics)
        self.alarms = Alarms(CollectorRegistry())
        self.home = home
        self.is_leader = True
        self.begin()

    def begin(self) -> None:
        """Restart the service: its in-memory state is lost."""
        events = EventSource("registry", self.clock)
        copies = ModelCopies(self.documents, self.copies, InMemoryLocks())
        self.records = Records(self.documents, copies, self.publisher, self.publisher, events, self.clock)
        self.signatures = signatures = Signatures(blobs=self.blobs, manifests=self.manifests)
        self.embedded = FlakyEmbedded(self.manifests, self.blobs)
        self.announcer = Announcer(
            manifests=self.embedded, records=self.records, signatures=signatures, address=ADDRESS
        )
        policies = Policies(self.projects, self.publisher, events, self.clock, InMemoryCopies(), InMemoryLocks())
        restorer = Restorer(
            records=self.records,
            models=RememberedBucket(self.home / "models.json", self.documents),
            policies=policies,
            scanners=[],
        )
        self.reconciler = Reconciler(
            manifests=self.manifests,
            records=self.records,
            pending=self.announcer.pending,
            alarms=self.alarms,
            address=ADDRESS,
            restorer=restorer,
            require_lease=self.require_lease,
        )
        uploads = InMemoryUploads(self.blobs)
        self.distribution = Distribution(
            blobs=Blobs(
                store=self.blobs,
                uploads=uploads,
                manifests=self.manifests,
                admission=unlimited(),
                locks=InMemoryLocks(),
                transfers=self.transfers,
            ),
            manifests=self.manifests,
            observer=self.announcer,
            usage=self.served,
        )
        self.deletions = Deletions(self.distribution, self.records, ADDRESS)

    async def require_lease(self) -> None:
        """This replica is the leader unless a test says otherwise."""
        if not self.is_leader:
            raise NotLeaderError("this replica does not hold the lease")

    def lose_the_catalogue(self) -> None:
        """Recreate the bucket, as if NATS had lost it and kept its streams."""
        self.documents = InMemoryDocuments()
        self.begin()

    def lose_the_store(self) -> None:
        """Empty the stream and recreate the bucket, as after the loss of the NATS store."""
        self.publisher.events.clear()
        self.lose_the_catalogue()

    async def push(self, tag: str, artifact: oci.Artifact, repository: str = REPOSITORY) -> None:
        for blob in artifact.blobs:
            await self.blobs.put(repository, oci.sha256(blob), blob)
        await self.distribution.push(repository, tag, artifact.manifest, oci.OCI_MANIFEST)

    async def versions(self) -> list[str]:
        """The versions in the catalogue."""
        return [str(stored.document.spec.ref) for stored in await stored_in(self.documents)]

    async def document(self, tag: str, repository: str = REPOSITORY) -> ModelDocument | None:
        stored = await self.documents.get(ModelRef.parse(f"{repository}:{tag}").key)
        return stored.document if stored else None

    async def work(self) -> None:
        """Announce everything that waits, or try to."""

        async def is_idle() -> bool:
            return not self.announcer.pending._waiting

        async with self.announcing():
            await eventually(is_idle)

    @asynccontextmanager
    async def announcing(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.announcer.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
