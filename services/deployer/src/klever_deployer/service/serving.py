"""The background loops that use the backend."""

import asyncio
from collections.abc import Iterable

from klever_deployer.ports import Backend
from kleverkit.loops import BackgroundLoops, Loop


class BackendLoops:
    """The backend and the loops that use it; they start and stop together.

    Args:
        backend: entered before the first loop starts, and exited after the last one has ended.
        loops: a loop that fails is restarted while the others continue.
    """

    def __init__(self, backend: Backend, loops: Iterable[Loop]) -> None:
        self._backend = backend
        self._loops = BackgroundLoops(loops)
        self.problem = self._loops.problem
        """Readiness check of the loops."""

    async def run(self) -> None:
        """Run until cancelled; model servers and the proxy continue to run."""
        async with self._backend, asyncio.TaskGroup() as group:
            group.create_task(self._backend.run())
            group.create_task(self._loops.run())
