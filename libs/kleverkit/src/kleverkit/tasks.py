"""Cancellation of tasks."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

CANCEL_AGAIN_SECONDS = 0.5


async def cancel(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel tasks repeatedly: in Python 3.11, `asyncio.wait_for` can lose a cancellation.

    Returns once all have ended. If the caller is cancelled meanwhile, then raises CancelledError.
    """
    is_cancelled = False
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        try:
            await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)
        except asyncio.CancelledError:
            is_cancelled = True
    await asyncio.gather(*tasks, return_exceptions=True)
    if is_cancelled:
        raise asyncio.CancelledError


async def cancellable(awaitable: Awaitable[ResultT]) -> ResultT:
    """Await a call that may lose a cancellation, and raise CancelledError then.

    `asyncio.wait_for` on Python 3.11 returns a result that comes with the cancellation. nats-py, which uses it, also
    reports a cancellation on a closed connection as an error of the connection, which callers handle by a retry.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        result = await awaitable
    except Exception as error:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return result
