"""The registry's service over stores in memory, with faults where a test wants them."""

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
    InMemoryLocks,
    InMemoryManifests,
    InMemoryPolicyCopies,
    InMemoryUploads,
)
from klever_registry.domain.index import RepositoryIndex
from klever_registry.errors import StorageLostError
from klever_registry.service.admission import Admission, Limits
from klever_registry.service.alarms import Alarms
from klever_registry.service.announcing import Announcer
from klever_registry.service.blobs import Blobs
from klever_registry.service.deletions import Deletions
from klever_registry.service.distribution import Distribution
from klever_registry.service.embedded import Embedded
from klever_registry.service.policies import Policies
from klever_registry.service.reconciling import Reconciler
from klever_registry.service.records import Records
from klever_registry.service.restoring import Restorer
from klever_registry.service.signatures import Signatures
from kleverkit.errors import TransientError
from kleverkit.incarnations import RememberedBucket
from kleverkit.leases import NotLeaderError
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverproto.envelope import Event, EventSource
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.references import ModelRef
from support import oci_artifacts as oci
from support.bucket_contents import stored_in
from support.waiting import eventually

ADDRESS = "127.0.0.1:5000"
REPOSITORY = "library/iris"


class Clock:
    """Moves on by itself, so that no two times are equal, and by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class FlakyPublisher(RecordingPublisher):
    """Refuses as many events as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0

    async def publish(self, event: Event[Any]) -> None:
        if self.failures:
            self.failures -= 1
            raise TransientError("NATS does not answer")
        await super().publish(event)

    def names(self) -> list[str]:
        """The kinds of what was published, in order."""
        return [type(data).__name__ for data in self.data()]


class FlakyManifests(InMemoryManifests):
    """Loses repositories, and cannot read some."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[str] = set()

    async def index(self, repository: str) -> RepositoryIndex | None:
        if repository in self.unreadable:
            raise StorageLostError(f"{repository} has lost its index.json")
        return await super().index(repository)

    def lose(self) -> dict[str, RepositoryIndex]:
        """Lose everything, as a volume that is not mounted; what was there, to give it back."""
        lost, self._indexes = self._indexes, {}
        return lost

    def give_back(self, lost: dict[str, RepositoryIndex]) -> None:
        self._indexes = lost


class FlakyEmbedded(Embedded):
    """Fails in ways that nobody foresees."""

    failure: Exception | None = None

    async def config(self, repository: str, digest: str, size: int) -> bytes | None:
        if self.failure is not None:
            raise self.failure
        return await super().config(repository, digest, size)


class FixedUsage:
    """See `ports.Usage`; a test says which tags are served, by which serving."""

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
    """Takes whatever comes."""
    return Admission(Limits(blob_bytes=2**40, open_uploads=1000), EmptySpace(), None, time.monotonic)


class RegistryUnits:
    """One registry: its stores, its catalogue, and what works on both."""

    def __init__(self, home: Path) -> None:
        self.clock, self.publisher, self.manifests, self.blobs = (
            Clock(),
            FlakyPublisher(),
            FlakyManifests(),
            InMemoryBlobs(),
        )
        self.documents = InMemoryDocuments[ModelDocument]()
        self.projects = InMemoryDocuments[ProjectDocument]()
        self.served = FixedUsage()
        self.alarms = Alarms(CollectorRegistry())
        self.home = home
        self.is_leader = True
        self.begin()

    def begin(self) -> None:
        """Start the service anew: what it had in memory is gone."""
        events = EventSource("registry", self.clock)
        self.records = Records(self.documents, self.publisher, events, self.clock)
        signatures = Signatures(blobs=self.blobs, manifests=self.manifests)
        self.embedded = FlakyEmbedded(self.manifests, self.blobs)
        self.announcer = Announcer(
            manifests=self.embedded, records=self.records, signatures=signatures, address=ADDRESS
        )
        policies = Policies(self.projects, self.publisher, events, self.clock, InMemoryPolicyCopies(), InMemoryLocks())
        restorer = Restorer(
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
            ),
            manifests=self.manifests,
            observer=self.announcer,
            usage=self.served,
        )
        self.deletions = Deletions(self.distribution, self.documents, ADDRESS)

    async def require_lease(self) -> None:
        """This replica leads unless a test says otherwise."""
        if not self.is_leader:
            raise NotLeaderError("this replica does not hold the lease")

    def lose_the_catalogue(self) -> None:
        """NATS has lost its store, and the bucket was created again."""
        self.documents = InMemoryDocuments()
        self.begin()

    async def push(self, tag: str, artifact: oci.Artifact, repository: str = REPOSITORY) -> None:
        for blob in artifact.blobs:
            await self.blobs.put(repository, oci.sha256(blob), blob)
        await self.distribution.push(repository, tag, artifact.manifest, oci.OCI_MANIFEST)

    async def versions(self) -> list[str]:
        """What the catalogue has."""
        return [str(stored.document.spec.ref) for stored in await stored_in(self.documents)]

    async def document(self, tag: str, repository: str = REPOSITORY) -> ModelDocument | None:
        stored = await self.documents.get(ModelRef.parse(f"{repository}:{tag}").key)
        return stored.document if stored else None

    async def work(self) -> None:
        """Announce all that waits, or try to."""

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
