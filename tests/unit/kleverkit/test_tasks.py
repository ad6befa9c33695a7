"""Cancellations that a library loses, as nats-py with `asyncio.wait_for` of Python 3.11 does."""

import asyncio

import pytest

from kleverkit.tasks import cancel, cancellable
from support.lost_cancellations import lose_cancellation
from support.waiting import others


async def lossy(outcome: object) -> object:
    """End with this outcome when it is cancelled."""
    await lose_cancellation()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def answer(value: str) -> str:
    """Return the value in a later turn of the loop."""
    await others(1)
    return value


@pytest.mark.parametrize("outcome", ["a message", ConnectionError("the connection is closed")])
async def test_a_lost_cancellation_is_raised(outcome: object) -> None:
    task = asyncio.create_task(cancellable(lossy(outcome)))
    await others(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_of_the_caller_remains_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await cancellable(lossy("a message"))


async def test_a_result_and_an_error_are_passed_on() -> None:
    async def fail() -> None:
        raise ConnectionError("closed")

    assert await cancellable(answer("done")) == "done"
    with pytest.raises(ConnectionError, match="closed"):
        await cancellable(fail())


async def test_an_earlier_cancellation_does_not_count() -> None:
    """Cleanup after a cancellation may still call the server."""

    async def clean_up() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await cancellable(answer("cleaned up"))
        return ""

    task = asyncio.create_task(clean_up())
    await others(1)
    task.cancel()
    assert await task == "cleaned up"


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    async def follow() -> None:
        await lossy("a message")
        await lossy("another message")
        await asyncio.Event().wait()

    task = asyncio.create_task(follow())
    await others(1)
    await cancel([task])
    assert task.cancelled()
