"""Buckets that are deleted, recreated, or lose a consumer, on a real server."""

import asyncio
from collections.abc import AsyncIterator

import nats
import pytest
from nats.aio.client import Client

from kleverkit.documents import NEVER, Buried, Change, Snapshot
from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.provisioning import provision
from kleverproto.documents import Tombstone
from kleverproto.jobs import JobDocument, JobStatus
from kleverproto.streams import JOBS as EVENTS
from kleverproto.streams import JOBS_BUCKET
from support.bucket_contents import stored_in
from support.golden_events import JOB_SPEC, NOW

STREAM = f"KV_{JOBS_BUCKET.name}"
JOB = JobDocument(id="job", spec=JOB_SPEC, status=JobStatus(), created_at=NOW, updated_at=NOW)
Jobs = NatsDocuments[JobDocument]


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    client = await nats.connect(nats_url)
    await provision(client.jetstream())
    yield client
    await client.close()


@pytest.fixture
def jobs(client: Client) -> Jobs:
    source = ClientSource()
    source.set(client)
    return NatsDocuments(source, JOBS_BUCKET, JobDocument)


async def consumers(client: Client) -> list[str]:
    return [info.name for info in await client.jetstream().consumers_info(STREAM)]


async def test_a_missing_bucket_is_never_treated_as_empty(client: Client, jobs: Jobs) -> None:
    await jobs.create("job", JOB)
    await client.jetstream().delete_stream(STREAM)
    for reading in (jobs.listing(), jobs.get("job"), jobs.find("job"), jobs.incarnation()):
        with pytest.raises(TransientError):
            await reading
    for writing in (jobs.create("job", JOB), jobs.update("job", JOB, 1), jobs.forget("job", 1)):
        with pytest.raises(TransientError):
            await writing


async def test_a_recreated_bucket_is_another_incarnation_and_is_watched_again(client: Client, jobs: Jobs) -> None:
    await jobs.create("old", JOB)
    changes = jobs.changes()
    before = await anext(changes)
    await client.jetstream().delete_stream(STREAM)
    await provision(client.jetstream())
    after = await asyncio.wait_for(anext(changes), 10)
    assert isinstance(before, Snapshot)
    assert isinstance(after, Snapshot)
    assert after.documents == ()
    assert after.incarnation.created > before.incarnation.created
    revision = await jobs.create("new", JOB)
    assert await asyncio.wait_for(anext(changes), 10) == Change("new", JOB, revision)
    await changes.aclose()


async def test_a_watch_whose_consumer_was_deleted_is_restarted(client: Client, jobs: Jobs) -> None:
    changes = jobs.changes()
    await anext(changes)
    (consumer,) = await consumers(client)
    await client.jetstream().delete_consumer(STREAM, consumer)
    revision = await jobs.create("job", JOB)
    again = await asyncio.wait_for(anext(changes), 10)
    assert isinstance(again, Snapshot)
    assert [(each.key, each.revision) for each in again.documents] == [("job", revision)]
    await changes.aclose()


async def test_listings_leave_no_consumer_behind(client: Client, jobs: Jobs) -> None:
    await asyncio.gather(*(stored_in(jobs) for _ in range(10)))
    assert await consumers(client) == []


async def test_listings_are_complete_while_many_read_and_write(jobs: Jobs) -> None:
    for number in range(60):
        await jobs.create(f"job-{number}", JOB)

    async def written() -> None:
        for number in range(60):
            stored = await jobs.get(f"job-{number}")
            assert stored is not None
            await jobs.update(stored.key, JOB, stored.revision)

    *listings, _ = await asyncio.gather(*(stored_in(jobs) for _ in range(40)), written())
    assert {len(listing) for listing in listings if listing is not None} == {60}


async def test_an_unreadable_document_is_neither_absent_nor_deleted(client: Client, jobs: Jobs) -> None:
    await jobs.create("good", JOB)
    await client.jetstream().publish(f"$KV.{JOBS_BUCKET.name}.bad", b"{}")
    assert [each.key for each in (await jobs.listing()).unreadable] == ["bad"]
    with pytest.raises(TransientError, match="bad"):
        await jobs.find("bad")
    changes = jobs.changes()
    first = await anext(changes)
    assert isinstance(first, Snapshot)
    assert [each.key for each in first.documents] == ["good"]
    await changes.aclose()


async def test_other_readers_of_the_bucket_see_a_tombstone_as_a_deletion(client: Client, jobs: Jobs) -> None:
    bucket = await client.jetstream().key_value(JOBS_BUCKET.name)
    await jobs.bury("job", Tombstone(deleted_at=NOW), NEVER)
    assert (await bucket.history("job"))[-1].operation == "DEL"


async def test_a_deletion_by_an_operator_is_a_tombstone_with_nothing_to_announce(client: Client, jobs: Jobs) -> None:
    await jobs.create("job", JOB)
    await (await client.jetstream().key_value(JOBS_BUCKET.name)).delete("job")
    buried = await jobs.find("job")
    assert isinstance(buried, Buried)
    assert buried.tombstone.announced


async def test_revisions_of_a_recreated_bucket_continue_above_the_lost_ones(client: Client, jobs: Jobs) -> None:
    js = client.jetstream()
    revision = await jobs.create("job", JOB)
    before = (await js.stream_info(EVENTS.name)).state.last_seq
    for name in (STREAM, EVENTS.name):
        await js.delete_stream(name)
    await provision(js)
    assert (await js.stream_info(EVENTS.name)).state.first_seq > before
    assert await jobs.create("job", JOB) > revision
