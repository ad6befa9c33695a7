"""The queue between a push and its announcement."""

import asyncio

import pytest

from klever_registry.service.pending import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    NOTABLE_FAILURES,
    Observed,
    PendingTags,
)
from kleverproto.references import ModelRef

A, B = ModelRef.parse("p/a:v1"), ModelRef.parse("p/b:v1")


async def take(pending: PendingTags) -> Observed:
    return await asyncio.wait_for(pending.take(), 1)


async def is_empty(pending: PendingTags) -> bool:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pending.take(), 0.02)
    return True


async def test_the_pushes_of_a_tag_are_handled_in_order() -> None:
    pending = PendingTags()
    for digest in ("1", "2"):
        pending.add(Observed(A, digest))
    one = await take(pending)
    assert pending.is_superseded(one)
    pending.done(one)
    two = await take(pending)
    assert not pending.is_superseded(two)
    pending.done(two)
    assert (one.digest, two.digest) == ("1", "2")
    assert await is_empty(pending)


async def test_a_tag_is_handled_by_one_worker_and_does_not_delay_others() -> None:
    pending = PendingTags()
    for observed in (Observed(A, "1"), Observed(A, "2"), Observed(B, "3")):
        pending.add(observed)
    assert (await take(pending)).ref == A
    assert (await take(pending)).ref == B
    assert await is_empty(pending)


async def test_a_waiting_tag_is_not_checked_twice() -> None:
    pending = PendingTags()
    pending.add(Observed(A, "1"))
    pending.add_unless_waiting(A)
    pending.done(await take(pending))
    assert await is_empty(pending)
    pending.add_unless_waiting(A)
    assert await take(pending) == Observed(A, None)


async def test_a_failed_tag_is_retried_after_a_growing_delay() -> None:
    pending = PendingTags()
    pending.add(Observed(A, "1"))
    observed = await take(pending)
    pauses = [pending.failed(observed, "NATS is away") for _ in range(20)]
    assert pauses[:3] == [FIRST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2, FIRST_PAUSE_SECONDS * 4]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert await take(pending) == observed


async def test_a_repeated_failure_is_reported_with_its_reason_until_it_is_resolved() -> None:
    pending = PendingTags()
    pending.add(Observed(A, "1"))
    observed = await take(pending)
    for _ in range(NOTABLE_FAILURES - 1):
        pending.failed(observed, "NATS is away")
    assert pending.stuck == {}
    pending.failed(observed, "NATS is away")
    assert pending.stuck == {A: "NATS is away"}
    pending.done(observed)
    assert pending.stuck == {}


async def test_a_parked_change_keeps_its_reason_and_the_next_change_of_the_tag_proceeds() -> None:
    pending = PendingTags()
    for digest in ("1", "2"):
        pending.add(Observed(A, digest))
    assert pending.park(await take(pending), "no manifest")
    assert pending.stuck == {A: "no manifest"}
    two = await take(pending)
    assert two.digest == "2"
    assert not pending.park(two, "no manifest")
    assert await is_empty(pending)
    pending.add_unless_waiting(A)
    pending.done(await take(pending))
    assert pending.stuck == {}
