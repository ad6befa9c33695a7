"""Work of one replica, which starts and ends with the lease."""

import asyncio
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry

from kleverkit.documents import NEVER
from kleverkit.leadership import while_leading
from kleverkit.lease_state import DEFAULT_TIMING, LeaseRecord, LeaseStatus, Timing
from kleverkit.leases import Lease
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.processes import ProcessReference
from kleverkit.tasks import cancel
from support.waiting import eventually, others

OTHER = ProcessReference(pid=2, identity="2", machine="m")


class Work:
    """Counts how often it started and ended."""

    def __init__(self) -> None:
        self.started = self.ended = 0

    async def run(self) -> None:
        self.started += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1


@pytest.fixture
def records() -> InMemoryDocuments[LeaseRecord]:
    return InMemoryDocuments()


def lease(records: InMemoryDocuments[LeaseRecord], timing: Timing = DEFAULT_TIMING) -> Lease:
    return Lease(records, "deployer", CollectorRegistry(), timing=timing)


async def test_work_starts_with_the_lease_and_is_cancelled_when_another_replica_has_it(
    records: InMemoryDocuments[LeaseRecord],
) -> None:
    held, work = lease(records), Work()
    leading = asyncio.create_task(while_leading(held, work.run))
    await others()
    assert work.started == 0
    await held.look()
    await others()
    assert (work.started, work.ended) == (1, 0)
    present = await records.find("deployer")
    assert present is not None
    taken = await records.update(
        "deployer", LeaseRecord(holder="2", process=OTHER, duration_seconds=6.0), present.revision
    )
    await held.look()
    await others()
    assert (work.started, work.ended) == (1, 1)
    await records.update("deployer", LeaseRecord(holder="2", process=OTHER, duration_seconds=6.0, released=True), taken)
    await held.look()
    await others()
    assert (work.started, work.ended) == (2, 1)
    await cancel([leading])
    assert work.ended == 2


async def test_work_is_cancelled_at_the_deadline_without_a_request(records: InMemoryDocuments[LeaseRecord]) -> None:
    held, work = lease(records, Timing(duration=0.3, deadline=0.05, pause=0.01)), Work()
    leading = asyncio.create_task(while_leading(held, work.run))
    await held.look()

    async def is_cancelled() -> bool:
        return (work.started, work.ended) == (1, 1)

    await eventually(is_cancelled)
    assert held.status is LeaseStatus.EXPIRED
    await cancel([leading])


async def test_a_failure_of_the_work_is_raised(records: InMemoryDocuments[LeaseRecord]) -> None:
    async def fail() -> None:
        raise ValueError("it failed")

    held = lease(records)
    await held.look()
    with pytest.raises(ValueError, match="it failed"):
        await while_leading(held, fail)


async def test_a_started_lease_is_renewed_until_it_is_stopped_and_released(
    records: InMemoryDocuments[LeaseRecord],
) -> None:
    held = lease(records, Timing(duration=3.0, deadline=2.0, pause=0.01))
    held.start()
    await held.until(LeaseStatus.HELD)

    async def is_renewed() -> bool:
        return (await records.incarnation()).last_sequence > NEVER + 3

    await eventually(is_renewed)
    await held.stop()
    assert held.status is LeaseStatus.STANDBY
    other = lease(records)
    await other.look()
    assert other.status is LeaseStatus.HELD


async def test_cancelling_waits_for_the_end_though_the_caller_is_cancelled_too() -> None:
    """Otherwise the work of a former leader would still run when its lease is released."""
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            while not may_end.is_set():
                with suppress(asyncio.CancelledError):
                    await may_end.wait()
            ended.set()

    work = asyncio.create_task(slow())
    await others()
    cancelling = asyncio.create_task(cancel([work]))
    await others()
    cancelling.cancel()
    await others()
    assert not cancelling.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await cancelling
    assert ended.is_set()
