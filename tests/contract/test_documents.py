"""One suite for every store of documents: JetStream KV and memory."""

import asyncio
from collections.abc import AsyncIterator

import nats
import pytest

from kleverkit.documents import NEVER, Buried, Change, Documents, Snapshot, Stored, change, mutate
from kleverkit.errors import ConflictError, PermanentError, TransientError
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.provisioning import provision
from kleverproto.documents import Intent, Tombstone
from kleverproto.jobs import JobDocument, JobStatus
from kleverproto.streams import JOBS_BUCKET
from support.bucket_contents import stored_in, tombstones_in
from support.golden_events import JOB_SPEC, NOW

Jobs = Documents[JobDocument]


def job(name: str = "job-1", attempts: int = 0) -> JobDocument:
    return JobDocument(id=name, spec=JOB_SPEC, status=JobStatus(attempts=attempts), created_at=NOW, updated_at=NOW)


GRAVE = Tombstone[JobDocument](
    document=job(), intent=Intent(sequence=7, event_id="e", correlation_id="c"), deleted_at=NOW
)


def incremented(present: JobDocument | None) -> JobDocument:
    return job(attempts=present.status.attempts + 1 if present else 1)


@pytest.fixture(params=["nats", "memory"])
async def jobs(request: pytest.FixtureRequest) -> AsyncIterator[Jobs]:
    if request.param == "memory":
        yield InMemoryDocuments()
        return
    client = await nats.connect(request.getfixturevalue("nats_url"))
    await provision(client.jetstream())
    source = ClientSource()
    source.set(client)
    yield NatsDocuments(source, JOBS_BUCKET, JobDocument)
    await client.close()


async def test_a_stored_document_is_read_back_with_its_revision(jobs: Jobs) -> None:
    revision = await jobs.create("job-1", job())
    stored = await jobs.get("job-1")
    assert stored is not None
    assert (stored.document, stored.revision) == (job(), revision)


async def test_a_missing_key_is_none(jobs: Jobs) -> None:
    assert await jobs.get("job-1") is None


async def test_a_document_larger_than_a_nats_message_is_a_permanent_error(nats_url: str) -> None:
    client = await nats.connect(nats_url)
    await provision(client.jetstream())
    source = ClientSource()
    source.set(client)
    large = job("x" * client.max_payload)
    with pytest.raises(PermanentError, match="larger than the limit of NATS"):
        await NatsDocuments(source, JOBS_BUCKET, JobDocument).create("job-1", large)
    await client.close()


async def test_creating_a_key_twice_is_a_conflict(jobs: Jobs) -> None:
    await jobs.create("job-1", job())
    with pytest.raises(ConflictError):
        await jobs.create("job-1", job())


async def test_an_unreadable_entry_is_listed_as_such_and_can_be_replaced(jobs: Jobs) -> None:
    await jobs.create("job-1", job())
    await jobs.bury("job-2", GRAVE, NEVER)
    await spoil(jobs, "job-3")
    listing = await jobs.listing()
    assert ([each.key for each in listing.documents], [each.key for each in listing.buried]) == (["job-1"], ["job-2"])
    (unreadable,) = listing.unreadable
    assert unreadable.key == "job-3"
    with pytest.raises(TransientError, match="job-3 cannot be read"):
        await jobs.find("job-3")
    with pytest.raises(ConflictError):
        await jobs.update("job-3", job("job-3"), unreadable.revision - 1)
    await jobs.update("job-3", job("job-3"), unreadable.revision)
    assert [each.key for each in await stored_in(jobs)] == ["job-1", "job-3"]


async def spoil(jobs: Jobs, key: str) -> None:
    """Write a value that is not a document."""
    if isinstance(jobs, InMemoryDocuments):
        jobs.spoil(key)
    elif isinstance(jobs, NatsDocuments):
        await jobs._js.publish(f"$KV.{JOBS_BUCKET.name}.{key}", b'{"id": 7}')


async def test_a_deletion_marker_with_any_content_proves_the_deletion(nats_url: str) -> None:
    client = await nats.connect(nats_url)
    await provision(client.jetstream())
    source = ClientSource()
    source.set(client)
    bucket = NatsDocuments(source, JOBS_BUCKET, JobDocument)
    await client.jetstream().publish(f"$KV.{JOBS_BUCKET.name}.job-9", b"{", headers={"KV-Operation": "DEL"})
    stored = await bucket.find("job-9")
    assert isinstance(stored, Buried)
    assert not stored.tombstone.announced
    await client.close()


async def test_updating_an_outdated_revision_is_a_conflict(jobs: Jobs) -> None:
    first = await jobs.create("job-1", job())
    second = await jobs.update("job-1", job(attempts=1), first)
    assert second > first
    with pytest.raises(ConflictError):
        await jobs.update("job-1", job(attempts=2), first)


async def test_a_deleted_document_can_be_created_again(jobs: Jobs) -> None:
    revision = await jobs.create("job-1", job())
    with pytest.raises(ConflictError):
        await jobs.bury("job-1", GRAVE, revision + 1000)
    buried = await jobs.bury("job-1", GRAVE, revision)
    assert await jobs.get("job-1") is None
    assert await jobs.find("job-1") == Buried("job-1", GRAVE, buried)
    assert await stored_in(jobs) == []
    await jobs.create("job-1", job(attempts=3))
    assert [stored.document.status.attempts for stored in await stored_in(jobs)] == [3]


async def test_all_documents_are_listed_by_key(jobs: Jobs) -> None:
    for name in ("b", "a"):
        await jobs.create(name, job(name))
    assert [stored.key for stored in await stored_in(jobs)] == ["a", "b"]


async def test_an_empty_bucket_has_no_documents(jobs: Jobs) -> None:
    assert await stored_in(jobs) == []


async def test_concurrent_mutations_lose_nothing(jobs: Jobs) -> None:
    await asyncio.gather(*(mutate(jobs, "job-1", incremented) for _ in range(8)))
    stored = await jobs.get("job-1")
    assert stored is not None
    assert stored.document.status.attempts == 8


async def test_an_empty_decision_changes_nothing(jobs: Jobs) -> None:
    before = await mutate(jobs, "job-1", incremented)
    after = await mutate(jobs, "job-1", lambda _present: None)
    assert before == after


async def test_changes_begin_with_a_snapshot_and_follow_live(jobs: Jobs) -> None:
    await jobs.create("a", job("a"))
    changes = jobs.changes()
    first = await anext(changes)
    assert isinstance(first, Snapshot)
    assert [stored.key for stored in first.documents] == ["a"]
    revision = await jobs.create("b", job("b"))
    assert await anext(changes) == Change("b", job("b"), revision)
    await jobs.bury("b", GRAVE, revision)
    deletion = await anext(changes)
    assert isinstance(deletion, Change)
    assert (deletion.key, deletion.document, deletion.tombstone) == ("b", None, GRAVE)
    await changes.aclose()


async def test_a_snapshot_holds_the_tombstones_and_the_latest_documents(jobs: Jobs) -> None:
    revision = await jobs.create("a", job("a"))
    buried = await jobs.bury("a", GRAVE, revision)
    changes = jobs.changes()
    snapshot = await anext(changes)
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.documents, snapshot.buried) == ((), (Buried("a", GRAVE, buried),))
    assert snapshot.incarnation == await jobs.incarnation()
    await changes.aclose()


async def test_a_deletion_may_precede_its_document(jobs: Jobs) -> None:
    revision = await jobs.bury("job-1", GRAVE, NEVER)
    assert await tombstones_in(jobs) == [Buried("job-1", GRAVE, revision)]
    with pytest.raises(ConflictError):
        await jobs.bury("job-1", GRAVE, NEVER)


async def test_a_decision_sees_the_tombstone_and_may_replace_it(jobs: Jobs) -> None:
    await jobs.bury("job-1", GRAVE, NEVER)
    inputs: list[object] = []

    def decide(present: JobDocument | Tombstone[JobDocument] | None) -> JobDocument:
        inputs.append(present)
        return job(attempts=2)

    stored = await change(jobs, "job-1", decide)
    assert inputs == [GRAVE]
    assert isinstance(stored, Stored)
    assert stored == await jobs.find("job-1")


async def test_a_decision_may_delete_the_document(jobs: Jobs) -> None:
    await jobs.create("job-1", job())
    buried = await change(jobs, "job-1", lambda _present: GRAVE)
    assert isinstance(buried, Buried)
    assert await tombstones_in(jobs) == [buried]
    assert await mutate(jobs, "job-1", lambda _present: None) is None


async def test_a_forgotten_tombstone_leaves_nothing(jobs: Jobs) -> None:
    revision = await jobs.bury("job-1", GRAVE, NEVER)
    await jobs.forget("job-1", revision)
    assert await jobs.find("job-1") is None
    assert await tombstones_in(jobs) == []
    await jobs.create("job-1", job())


async def test_forgetting_keeps_later_writes(jobs: Jobs) -> None:
    revision = await jobs.bury("job-1", GRAVE, NEVER)
    await jobs.create("job-1", job())
    await jobs.forget("job-1", revision)
    assert await jobs.get("job-1") is not None


async def test_the_incarnation_grows_with_each_write(jobs: Jobs) -> None:
    before = await jobs.incarnation()
    await jobs.create("job-1", job())
    after = await jobs.incarnation()
    assert after.created == before.created
    assert after.last_sequence == before.last_sequence + 1


async def test_a_snapshot_names_the_incarnation_of_its_bucket(jobs: Jobs) -> None:
    await jobs.create("job-1", job())
    changes = jobs.changes()
    first = await anext(changes)
    assert isinstance(first, Snapshot)
    assert first.incarnation == await jobs.incarnation()
    await changes.aclose()
