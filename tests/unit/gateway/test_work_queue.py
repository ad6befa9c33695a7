"""The queue of resources to reconcile, and the requests for deletions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from klever_gateway.domain.rows import Row
from klever_gateway.service.resources.deletions import REPEAT_SECONDS, PendingDeletions, is_deleted
from klever_gateway.service.resources.work_queue import WorkQueue
from kleverkit.errors import TransientError
from kleverkit.tasks import cancel
from support.waiting import eventually


@asynccontextmanager
async def running(reconcile: Callable[[str], Awaitable[float | None]]) -> AsyncIterator[WorkQueue[str]]:
    queue = WorkQueue(reconcile, workers=3)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        await cancel([task])


async def test_key_is_reconciled_by_one_worker_at_a_time_and_again_if_it_changed_meanwhile() -> None:
    active: list[str] = []
    most, begun, resume = 0, 0, asyncio.Event()

    async def reconcile(key: str) -> None:
        nonlocal most, begun
        begun += 1
        active.append(key)
        most = max(most, active.count(key))
        await resume.wait()
        active.remove(key)

    async def has_begun(number: int) -> bool:
        return begun == number

    async with running(reconcile) as queue:
        queue.add("a")
        await eventually(lambda: has_begun(1))
        for _ in range(3):
            queue.add("a")
        queue.add("b")
        await eventually(lambda: has_begun(2))
        resume.set()
        await eventually(lambda: has_begun(3))
        assert most == 1


async def test_failed_key_is_retried_while_others_continue() -> None:
    tried: list[str] = []

    async def reconcile(key: str) -> None:
        tried.append(key)
        if key == "broken" and tried.count(key) < 3:
            raise TransientError("not now")
        if key == "bug" and tried.count(key) < 2:
            raise ValueError(key)

    async def is_done() -> bool:
        return (tried.count("broken"), tried.count("bug"), tried.count("good")) == (3, 2, 1)

    async with running(reconcile) as queue:
        for key in ("broken", "bug", "good"):
            queue.add(key)
        await eventually(is_done)


async def test_key_is_reconciled_again_after_the_time_that_it_asks_for() -> None:
    tried: list[str] = []

    async def reconcile(key: str) -> float | None:
        tried.append(key)
        return 0.01 if len(tried) < 3 else None

    async def is_done() -> bool:
        return len(tried) == 3

    async with running(reconcile) as queue:
        queue.add("a")
        await eventually(is_done)


async def test_deletion_is_requested_again_only_after_a_long_time() -> None:
    now, made = 0.0, 0
    deletions = PendingDeletions(lambda: now)

    async def request() -> int:
        nonlocal made
        made += 1
        return 10 * made

    assert [await deletions.sequence("uid", request) for _ in range(2)] == [10, 10]
    now += REPEAT_SECONDS
    assert await deletions.sequence("uid", request) == 20
    deletions.forget("uid")
    assert await deletions.sequence("uid", request) == 30


async def test_deletion_that_could_not_be_requested_is_requested_again() -> None:
    deletions = PendingDeletions(lambda: 0.0)

    async def fail() -> int:
        raise TransientError("not now")

    async def request() -> int:
        return 7

    with pytest.raises(TransientError):
        await deletions.sequence("uid", fail)
    assert await deletions.sequence("uid", request) == 7


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (None, False),
        (Row(key="k", revision=1, body="", generation=1, sequence=5, hidden=True), True),
        (Row(key="k", revision=1, body="", generation=1, sequence=4, hidden=True), False),
        (Row(key="k", revision=1, body="", generation=1, sequence=5), False),
        (Row(key="k", revision=1, body="", generation=1, sequence=6), True),
        (Row(key="k", revision=0, body="", generation=1, sequence=6, accepted=True), False),
    ],
    ids=["unknown", "tombstone", "earlier tombstone", "document", "later document", "not handled"],
)
def test_only_a_tombstone_or_a_later_document_proves_a_deletion(row: Row | None, expected: bool) -> None:  # noqa: FBT001
    assert is_deleted(row, 5) is expected
