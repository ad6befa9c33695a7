"""One protocol deletes every kind of document: each deletion is announced once, wherever the process is killed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from kleverkit.deletions import Deletions
from kleverkit.documents import Buried, Stored
from kleverproto import deletions
from kleverproto.base import WireModel
from kleverproto.documents import Document, Intent, Tombstone
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobDeleted, JobDocument, JobStatus
from kleverproto.models import ModelDeleted, ModelDocument, ModelSpec, ModelStatus
from kleverproto.servings import ServingDeleted, ServingDocument, ServingStatus
from support.crashes import Crash, CrashError, CrashingDocuments, CrashingPublisher
from support.golden_events import DIGEST, JOB_SPEC, NOW, REF, REGISTRY, SPEC

KEY = "one"
WRITES = 3
"""The tombstone, the event, and the mark that the event is published."""


@dataclass(frozen=True)
class Kind:
    """A kind of document, as its owner deletes it."""

    document: Document[Any, Any]
    event: WireModel


def intent(sequence: int) -> Intent:
    return Intent(sequence=sequence, event_id=f"event-{sequence}", correlation_id="correlation")


def buried(document: Any) -> Tombstone[Any]:
    return Tombstone[Any](document=document, intent=intent(1), deleted_at=NOW)


def times() -> dict[str, Any]:
    return {"created_at": NOW, "updated_at": NOW}


JOB = JobDocument(id=KEY, spec=JOB_SPEC, status=JobStatus(intent=intent(1)), **times())
SERVING = ServingDocument(namespace="default", name=KEY, spec=SPEC, status=ServingStatus(intent=intent(1)), **times())
MODEL = ModelDocument(
    spec=ModelSpec(ref=REF, digest=DIGEST, registry=REGISTRY, artifact_type="application/octet-stream", size=1),
    status=ModelStatus(),
    **times(),
)
KINDS = {
    JobDocument: Kind(JOB, JobDeleted(id=KEY, spec=JOB_SPEC)),
    ServingDocument: Kind(SERVING, ServingDeleted(namespace="default", name=KEY)),
    ModelDocument: Kind(MODEL, ModelDeleted(ref=REF, digest=DIGEST)),
}


class Owner:
    """The owner of a bucket with one document. Stored and published data outlive its process."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.crash = Crash()
        self.documents = CrashingDocuments[Any](self.crash)
        self.publisher = CrashingPublisher(self.crash)
        self.now = NOW
        self.deletions = Deletions[Any](self.documents, self._announce, lambda: self.now)

    async def _announce(self, key: str, tombstone: Tombstone[Any]) -> None:
        cause = tombstone.intent.event_id if tombstone.intent else key
        await self.publisher.publish(EventSource("test").caused_by_ids(cause, "correlation", self.kind.event))

    async def delete(self, sequence: int) -> None:
        """Handle a request to delete a document that can be deleted at once."""
        request = intent(sequence)

        def bury(document: Any) -> Tombstone[Any]:
            return Tombstone[Any](document=document, intent=request, deleted_at=self.now)

        def decide(known: Any) -> Any:
            if isinstance(self.kind.document, ModelDocument):  # the registry orders deletions itself, by its index
                return Tombstone[Any](document=known, deleted_at=self.now) if known == MODEL else None
            newest = deletions.newest_intent(known)
            return deletions.deletion_requested(known, newest, request, self.now, begin=bury)

        stored = await self.deletions.change(KEY, decide)
        if isinstance(stored, Buried):
            await self.deletions.finish(KEY, stored.tombstone)

    async def request(self, document: Any) -> None:
        """Handle a request for the document that is newer than all others."""
        await self.deletions.change(KEY, lambda _known: document)

    async def sweep(self) -> None:
        """Check all tombstones."""
        await self.deletions.sweep((await self.documents.listing()).buried)

    async def announced(self) -> bool:
        """Return whether the deletion is recorded as announced and was announced once."""
        entry = await self.documents.find(KEY)
        is_recorded = isinstance(entry, Buried) and entry.tombstone.announced
        return is_recorded and self.publisher.data() == [self.kind.event]


@pytest.fixture(params=KINDS.values(), ids=lambda kind: type(kind.document).__name__)
async def owner(request: pytest.FixtureRequest) -> Owner:
    owner = Owner(request.param)
    await owner.documents.create(KEY, owner.kind.document)
    return owner


async def killed(owner: Owner, writes: int) -> None:
    """A process that was killed during a deletion, after this number of writes."""
    owner.crash.after(writes)
    with pytest.raises(CrashError):
        await owner.delete(2)
    assert owner.crash.restart()


async def test_a_deletion_is_announced_once_and_its_tombstone_removed_later(owner: Owner) -> None:
    await owner.delete(2)
    assert await owner.announced()
    await owner.sweep()
    owner.now += deletions.TOMBSTONE_AGE
    await owner.sweep()
    assert await owner.announced()
    owner.now += timedelta(seconds=1)
    await owner.sweep()
    assert await owner.documents.find(KEY) is None
    assert len(owner.publisher.events) == 1


@pytest.mark.parametrize("writes", range(WRITES))
async def test_a_redelivery_completes_an_interrupted_deletion(owner: Owner, writes: int) -> None:
    await killed(owner, writes)
    await owner.delete(2)
    assert await owner.announced()


@pytest.mark.parametrize("writes", range(1, WRITES))
async def test_a_sweep_completes_an_interrupted_deletion(owner: Owner, writes: int) -> None:
    await killed(owner, writes)
    await owner.sweep()
    assert await owner.announced()


@pytest.mark.parametrize("writes", range(1, WRITES))
async def test_a_deletion_is_announced_before_a_newer_request_replaces_it(owner: Owner, writes: int) -> None:
    await killed(owner, writes)
    await owner.request(owner.kind.document)
    assert isinstance(await owner.documents.find(KEY), Stored)
    assert owner.publisher.data() == [owner.kind.event]


async def test_a_step_that_changes_nothing_leaves_an_unannounced_deletion_alone(owner: Owner) -> None:
    await killed(owner, 1)
    await owner.deletions.change(KEY, lambda _known: None)
    assert owner.publisher.events == []


async def test_an_unannounced_tombstone_is_never_removed(owner: Owner) -> None:
    await killed(owner, 1)
    owner.now += 2 * deletions.TOMBSTONE_AGE
    owner.crash.after(0)
    with pytest.raises(CrashError):
        await owner.sweep()
    owner.crash.restart()
    entry = await owner.documents.find(KEY)
    assert isinstance(entry, Buried)
    assert not entry.tombstone.announced


async def test_announcing_does_not_touch_a_document_that_replaced_the_tombstone(owner: Owner) -> None:
    await killed(owner, 1)
    entry = await owner.documents.find(KEY)
    assert isinstance(entry, Buried)
    await owner.documents.update(KEY, owner.kind.document, entry.revision)
    await owner.deletions.finish(KEY, entry.tombstone)
    assert isinstance(await owner.documents.find(KEY), Stored)


@pytest.mark.parametrize("document", [JOB, SERVING], ids=lambda document: type(document).__name__)
@pytest.mark.parametrize("of", [lambda document: document, buried, lambda _document: None])
def test_a_late_request_changes_nothing_and_a_newer_one_leaves_a_tombstone(
    document: Any, of: Callable[[Any], Any]
) -> None:
    known = of(document)
    newest = deletions.newest_intent(known)
    decided = [
        deletions.deletion_requested(known, newest, intent(sequence), NOW, begin=buried) for sequence in (0, 1, 2)
    ]
    assert [each is None for each in decided] == ([True, True, False] if known else [False] * 3)


def test_deleting_a_missing_document_leaves_a_tombstone_that_refuses_earlier_requests() -> None:
    tombstone = deletions.deletion_requested(None, None, intent(2), NOW, begin=buried)
    assert tombstone == Tombstone[Any](intent=intent(2), deleted_at=NOW)
    assert deletions.newest_intent(tombstone) == intent(2)


def test_a_second_deletion_keeps_the_last_document() -> None:
    again = deletions.deletion_requested(buried(JOB), intent(1), intent(2), NOW, begin=buried)
    assert again == Tombstone[Any](document=JOB, intent=intent(2), deleted_at=NOW)
