"""Loops that run beside a test."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from kleverkit.tasks import cancel

Loop = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def running_loops(*loops: Loop, idle: tuple[asyncio.Lock, ...] = ()) -> AsyncIterator[None]:
    """Runs loops until the context is closed.

    Args:
        loops: the loops. The error of one that fails is printed: the test then waits in vain.
        idle: locks that loops hold while they work. A request that is cancelled leaves its connection open for a while.
    """
    tasks = [asyncio.create_task(loop()) for loop in loops]
    for task in tasks:
        task.add_done_callback(_print_failure)
    try:
        yield
    finally:
        async with AsyncExitStack() as stack:
            for lock in idle:
                await stack.enter_async_context(lock)
            await cancel(tasks)


def _print_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        traceback.print_exception(error)
