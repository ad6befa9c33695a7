"""The backend's lifecycle: entered before anything uses it, and left after the last loop has ended."""

import asyncio
from typing import Self

from klever_deployer.adapters.memory import InMemoryBackend
from klever_deployer.service.serving import BackendLoops
from support.waiting import eventually


class RecordingBackend(InMemoryBackend):
    """Records its lifecycle and that of the loops that use it."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[str] = []

    async def __aenter__(self) -> Self:
        self.history.append("entered")
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.history.append("exited")

    async def run(self) -> None:
        await self.note("backend")

    async def loop(self) -> None:
        await self.note("loop")

    async def note(self, name: str) -> None:
        self.history.append(f"{name} begins")
        try:
            await asyncio.Event().wait()
        finally:
            self.history.append(f"{name} ends")


async def test_loops_run_while_the_backend_is_entered_and_it_may_be_entered_again() -> None:
    backend = RecordingBackend()
    loops = BackendLoops(backend, [backend.loop])
    for _ in range(2):
        backend.history.clear()
        running = asyncio.create_task(loops.run())

        async def have_begun() -> bool:
            return len(backend.history) == 3

        assert await eventually(have_begun)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        first, *middle, last = backend.history
        assert (first, last) == ("entered", "exited")
        assert sorted(middle) == ["backend begins", "backend ends", "loop begins", "loop ends"]


async def test_a_failing_loop_does_not_stop_the_others() -> None:
    backend = RecordingBackend()
    failed = asyncio.Event()

    async def broken() -> None:
        failed.set()
        raise OSError("too many open files")

    running = asyncio.create_task(BackendLoops(backend, [broken, backend.loop]).run())
    await failed.wait()

    async def loop_runs() -> bool:
        return "loop begins" in backend.history

    assert await eventually(loop_runs)
    assert "loop ends" not in backend.history
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
