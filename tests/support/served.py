"""The HTTP server of a service in this process, without NATS."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from kleverkit.service import Runtime, _serve_http


@asynccontextmanager
async def served(runtime: Runtime) -> AsyncIterator[str]:
    """The URL of a runtime whose settings have a port."""
    settings = runtime.settings
    async with AsyncExitStack() as stack:
        await _serve_http(runtime, stack)
        yield f"http://{settings.host}:{settings.port}"
        for stop in runtime.on_stop:
            await stop()
