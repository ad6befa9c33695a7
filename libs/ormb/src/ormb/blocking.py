"""Blocking calls of async code, for scripts and for notebooks, which already run an event loop."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from anyio.from_thread import start_blocking_portal

ClientT = TypeVar("ClientT")
ResultT = TypeVar("ResultT")


def run_with(
    client: Callable[[], AbstractAsyncContextManager[ClientT]], call: Callable[[ClientT], Awaitable[ResultT]]
) -> ResultT:
    """Open a client, call it and close it in a separate event loop. Errors of the call are raised."""

    async def main() -> ResultT:
        async with client() as opened:
            return await call(opened)

    with start_blocking_portal() as portal:
        return portal.call(main)


def iterate_with(
    client: Callable[[], AbstractAsyncContextManager[ClientT]],
    call: Callable[[ClientT], AsyncGenerator[ResultT, None]],
) -> Iterator[ResultT]:
    """Like `run_with`, but yields items; the client is closed together with the iterator."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(client()) as opened:
        items = call(opened)
        try:
            while True:
                try:
                    item = portal.call(items.__anext__)
                except StopAsyncIteration:
                    return
                yield item
        finally:
            portal.call(items.aclose)
