"""What the deployer does while it has its backend."""

import asyncio
from collections.abc import Iterable

from klever_deployer.ports import Backend
from kleverkit.loops import BackgroundLoop, Loop, loops_check


class BackendLoops:
    """The backend, and the loops that use it: all of them run together, or none.

    Args:
        backend: entered before a loop runs, and left after the last one has ended.
        loops: one that fails starts anew, and the others continue.
    """

    def __init__(self, backend: Backend, loops: Iterable[Loop]) -> None:
        self._backend = backend
        self._loops = [BackgroundLoop(loop) for loop in loops]
        self.problem = loops_check(self._loops)
        """A readiness check."""

    async def run(self) -> None:
        """Run until cancelled; what serves is left as it is then."""
        async with self._backend, asyncio.TaskGroup() as group:
            group.create_task(self._backend.run())
            for loop in self._loops:
                group.create_task(loop.forever())
