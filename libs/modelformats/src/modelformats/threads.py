"""Waiting for what cannot be cancelled: blocking calls in threads, and processes that were sent a SIGKILL."""

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

ResultT = TypeVar("ResultT")
ParamsT = ParamSpec("ParamsT")


async def in_thread(call: Callable[ParamsT, ResultT], *args: ParamsT.args, **kwargs: ParamsT.kwargs) -> ResultT:
    """Run a blocking call in a thread.

    Unlike `asyncio.to_thread`, a cancelled caller gets its cancellation only when the thread has ended: until then
    the call may still write, so nobody else may have its files, locks and directories.
    """
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    # A future and no task: the end of an event loop cancels every task, and with it would go the waiting.
    return await until_ended(loop.run_in_executor(None, partial(context.run, partial(call, *args, **kwargs))))


async def until_ended(work: "asyncio.Future[ResultT]") -> ResultT:
    """Wait for the end of something that continues when it is cancelled; a cancellation is raised after that."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await _ended(work)
        raise


async def _ended(work: "asyncio.Future[ResultT]") -> None:
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            continue  # cancelled once more: the work has still not ended
    if not work.cancelled():
        work.exception()  # whoever cancelled does not want it; asked for, so that nobody logs it as forgotten
