"""One suite for leases, over every store of their records: JetStream KV and memory."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import nats
import pytest
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from kleverkit.documents import Buried, Documents, Stored
from kleverkit.errors import TransientError
from kleverkit.lease_state import LeaseRecord, LeaseStatus, Timing
from kleverkit.leases import Lease, NotLeaderError
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.processes import ProcessReference
from kleverkit.provisioning import provision
from kleverproto.documents import Tombstone
from kleverproto.envelope import utc_now
from kleverproto.streams import LEASES_BUCKET

TIMING = Timing(duration=6.0, deadline=4.0, pause=1.0)
HELD, STANDBY, EXPIRED = LeaseStatus.HELD, LeaseStatus.STANDBY, LeaseStatus.EXPIRED


class Bucket:
    """A bucket of leases that a test can disconnect and recreate."""

    def __init__(self, records: Documents[LeaseRecord], client: Client | None) -> None:
        self.records = records
        self._client = client

    async def recreate(self) -> None:
        """Lose the contents."""
        if self._client is None:
            self.records = InMemoryDocuments()
            return
        await self._client.jetstream().delete_stream(LEASES_BUCKET.stream)
        await provision(self._client.jetstream(), streams=(), buckets=[LEASES_BUCKET])


@dataclass
class Replica:
    """A process with its own clock and connection."""

    bucket: Bucket
    pid: int
    now: float = 0.0
    is_connected: bool = True
    dead: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.metrics = CollectorRegistry()
        self.lease = Lease(
            Connected(self),
            "registry",
            self.metrics,
            process=ProcessReference(pid=self.pid, identity=str(self.pid), machine="m"),
            timing=TIMING,
            clock=lambda: self.now,
            exited=lambda process: process.pid in self.dead,
        )

    async def look(self, *, after: float = 0.0) -> LeaseStatus:
        self.now += after
        await self.lease.look()
        return self.lease.status


class Connected(InMemoryDocuments[LeaseRecord]):
    """The bucket, available while the replica's connection is up."""

    def __init__(self, replica: Replica) -> None:
        super().__init__()
        self._replica = replica
        self.answers_get_lost = False

    @property
    def _records(self) -> Documents[LeaseRecord]:
        if not self._replica.is_connected:
            raise TransientError("NATS does not answer")
        return self._replica.bucket.records

    async def find(self, key: str) -> Stored[LeaseRecord] | Buried[LeaseRecord] | None:
        return await self._records.find(key)

    async def update(self, key: str, document: LeaseRecord, revision: int) -> int:
        written = await self._records.update(key, document, revision)
        if self.answers_get_lost:
            raise TransientError("the answer was lost")
        return written


@pytest.fixture(params=["nats", "memory"])
async def bucket(request: pytest.FixtureRequest) -> AsyncIterator[Bucket]:
    if request.param == "memory":
        yield Bucket(InMemoryDocuments(), None)
        return
    client = await nats.connect(request.getfixturevalue("nats_url"))
    await provision(client.jetstream(), streams=(), buckets=[LEASES_BUCKET])
    source = ClientSource()
    source.set(client)
    yield Bucket(NatsDocuments(source, LEASES_BUCKET, LeaseRecord), client)
    await client.close()


@pytest.fixture
def one(bucket: Bucket) -> Replica:
    return Replica(bucket, 1)


@pytest.fixture
def two(bucket: Bucket) -> Replica:
    return Replica(bucket, 2, now=5_000_000.0)


async def test_the_first_replica_acquires_at_once_and_the_second_stands_by(one: Replica, two: Replica) -> None:
    assert (await one.look(), await two.look()) == (HELD, STANDBY)
    one.lease.check()
    with pytest.raises(NotLeaderError, match="does not hold the lease 'registry'"):
        two.lease.check()


async def test_only_one_of_several_competing_replicas_acquires(bucket: Bucket) -> None:
    replicas = [Replica(bucket, pid) for pid in range(8)]
    statuses = await asyncio.gather(*(replica.look() for replica in replicas))
    assert sorted(statuses) == [HELD, *[STANDBY] * 7]


async def test_a_renewal_keeps_the_lease_and_its_term(one: Replica, two: Replica) -> None:
    await one.look()
    term = one.lease.term
    for _ in range(20):
        assert (await one.look(after=1.0), await two.look(after=1.0)) == (HELD, STANDBY)
    assert one.lease.term == term


async def test_a_silent_holder_loses_the_lease_after_its_duration(one: Replica, two: Replica) -> None:
    await one.look()
    await two.look()
    assert await two.look(after=5.9) == STANDBY
    assert await two.look(after=0.1) == HELD


async def test_the_holder_stops_before_another_may_begin(one: Replica, two: Replica) -> None:
    await one.look()
    await two.look()
    one.is_connected = False
    assert await one.look(after=3.9) == HELD
    one.now += 0.1
    assert one.lease.status == EXPIRED
    with pytest.raises(NotLeaderError):
        one.lease.check()
    assert await two.look(after=4.1) == STANDBY


async def test_each_term_has_a_higher_number_than_those_before(one: Replica, two: Replica) -> None:
    await one.look()
    first = one.lease.term
    await two.look()
    await two.look(after=6.0)
    assert two.lease.term > first


async def test_a_former_holder_does_not_write(one: Replica, two: Replica) -> None:
    await one.look()
    await two.look()
    await two.look(after=6.0)
    assert one.lease.status == HELD  # its clock stood still, as in a paused virtual machine
    assert await one.look() == STANDBY
    with pytest.raises(NotLeaderError):
        one.lease.check()
    assert await two.look(after=1.0) == HELD


async def test_an_expired_lease_that_nobody_took_is_renewed(one: Replica) -> None:
    await one.look()
    term = one.lease.term
    one.is_connected = False
    assert await one.look(after=30.0) == EXPIRED
    one.is_connected = True
    assert await one.look(after=1.0) == HELD
    assert one.lease.term == term


async def test_a_released_lease_is_acquired_at_once(one: Replica, two: Replica) -> None:
    await one.look()
    await two.look()
    await one.lease.release()
    assert one.lease.status == STANDBY
    assert await two.look() == HELD


async def test_a_lease_that_cannot_be_released_expires(one: Replica, two: Replica) -> None:
    await one.look()
    await two.look()
    one.is_connected = False
    await one.lease.release()
    assert one.lease.status == STANDBY
    assert await two.look(after=5.9) == STANDBY
    assert await two.look(after=0.1) == HELD


async def test_the_lease_of_a_process_that_has_provably_exited_is_acquired_at_once(one: Replica, two: Replica) -> None:
    await one.look()
    two.dead.add(one.pid)
    assert await two.look() == HELD


async def test_a_standby_does_not_count_time_without_a_connection(one: Replica, two: Replica) -> None:
    """After an outage of NATS the holder has its full time to renew."""
    await one.look()
    await two.look()
    two.is_connected = False
    await two.look(after=20.0)
    two.is_connected = True
    assert await two.look() == STANDBY
    assert await two.look(after=5.9) == STANDBY
    assert await one.look(after=3.0) == HELD
    assert await two.look(after=0.1) == STANDBY


async def test_a_holder_recognises_its_own_record_after_lost_answers(one: Replica, two: Replica) -> None:
    records = one.lease._records
    assert isinstance(records, Connected)
    records.answers_get_lost = True
    assert await one.look() == STANDBY  # stored, but not confirmed
    assert await two.look() == STANDBY
    records.answers_get_lost = False
    assert await one.look() == HELD
    records.answers_get_lost = True
    await one.look(after=1.0)
    records.answers_get_lost = False
    assert await one.look(after=1.0) == HELD


async def test_the_holder_writes_its_record_again_when_the_bucket_was_recreated(one: Replica, two: Replica) -> None:
    await one.look()
    await two.look()
    await one.bucket.recreate()
    assert await two.look(after=1.0) == STANDBY, "it may not conclude from an empty bucket that nobody holds the lease"
    assert await one.look(after=1.0) == HELD
    assert await two.look(after=1.0) == STANDBY


async def test_a_standby_acquires_the_lease_of_a_recreated_bucket_after_the_usual_time(
    one: Replica, two: Replica
) -> None:
    await one.look()
    await two.look()
    term = one.lease.term
    await one.bucket.recreate()
    await two.look(after=1.0)
    assert await two.look(after=5.9) == STANDBY
    assert await two.look(after=0.1) == HELD
    if isinstance(two.bucket.records, NatsDocuments):
        assert two.lease.term > term


async def test_a_record_that_an_operator_deleted_is_treated_as_missing(one: Replica, two: Replica) -> None:
    await one.look()
    await two.look()
    stored = await one.bucket.records.find("registry")
    assert stored is not None
    await one.bucket.records.bury("registry", Tombstone(deleted_at=utc_now()), stored.revision)
    assert await two.look(after=1.0) == STANDBY
    assert await one.look(after=1.0) == HELD


async def test_waiters_wake_up_on_acquisition_and_on_expiry(one: Replica) -> None:
    waiting = asyncio.create_task(one.lease.until(HELD))
    await one.look()
    await waiting
    lost = asyncio.create_task(one.lease.until(STANDBY, EXPIRED))
    one.is_connected = False
    await one.look(after=4.0)
    await lost


async def test_a_request_waits_briefly_for_the_lease_and_is_refused_by_a_standby(one: Replica, two: Replica) -> None:
    waiting = asyncio.create_task(one.lease.require(30.0))
    await one.look()
    await waiting
    await two.look()
    with pytest.raises(NotLeaderError, match="klever_lease_held is 1"):
        await two.lease.require(0.01)


async def test_metrics_name_the_leader_and_a_standby_is_ready(one: Replica, two: Replica) -> None:
    await one.look()
    await two.look()
    held = [each.metrics.get_sample_value("klever_lease_held", {"name": "registry"}) for each in (one, two)]
    assert held == [1.0, 0.0]
    assert await two.lease.problem() is None
    two.is_connected = False
    await two.look(after=60.0)
    assert "was last read 60 seconds ago" in str(await two.lease.problem())
