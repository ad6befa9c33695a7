"""Waits for operations that cannot be cancelled: blocking calls in threads, and processes after SIGKILL."""

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

ResultT = TypeVar("ResultT")
ParamsT = ParamSpec("ParamsT")


async def in_thread(call: Callable[ParamsT, ResultT], *args: ParamsT.args, **kwargs: ParamsT.kwargs) -> ResultT:
    """Run a blocking call in a thread.

    Unlike `asyncio.to_thread`, a cancelled caller receives its cancellation only after the thread has finished: until
    then the call may still write, so no other caller may use its files, locks and directories.
    """
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    # A future instead of a task: the end of an event loop cancels all tasks, which would end the wait.
    return await until_ended(loop.run_in_executor(None, partial(context.run, partial(call, *args, **kwargs))))


async def until_ended(pending: "asyncio.Future[ResultT]") -> ResultT:
    """Wait for an operation that continues when the caller is cancelled. The cancellation is raised after its end."""
    try:
        return await asyncio.shield(pending)
    except asyncio.CancelledError:
        await _ended(pending)
        raise


async def _ended(pending: "asyncio.Future[ResultT]") -> None:
    while not pending.done():
        try:
            await asyncio.wait({pending})
        except asyncio.CancelledError:
            continue  # cancelled again: the call has still not finished
    if not pending.cancelled():
        pending.exception()  # retrieved, so that asyncio does not log it as never retrieved; the caller was cancelled
