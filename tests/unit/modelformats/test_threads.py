"""A cancelled blocking call raises the cancellation once the thread has ended, and not before."""

import asyncio
import threading

import pytest

from modelformats.threads import in_thread


class Blocking:
    """A call that returns on request, and records that it has."""

    def __init__(self, error: Exception | None = None) -> None:
        self.started = asyncio.Event()
        self.gate = threading.Event()
        self.error = error
        self.ended = False

    async def run(self) -> str:
        loop = asyncio.get_running_loop()

        def call() -> str:
            loop.call_soon_threadsafe(self.started.set)
            self.gate.wait()
            self.ended = True
            if self.error:
                raise self.error
            return "done"

        return await in_thread(call)


async def test_the_result_of_the_call_is_returned() -> None:
    blocking = Blocking()
    blocking.gate.set()
    assert await blocking.run() == "done"


async def test_an_error_of_the_call_reaches_the_caller() -> None:
    blocking = Blocking(OSError("disk full"))
    blocking.gate.set()
    with pytest.raises(OSError, match="disk full"):
        await blocking.run()


@pytest.mark.parametrize("error", [None, OSError("disk full")])
async def test_a_cancelled_caller_waits_for_the_thread_however_often_it_is_cancelled(error: Exception | None) -> None:
    blocking = Blocking(error)
    task = asyncio.create_task(blocking.run())
    await blocking.started.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.wait({task}, timeout=0.01)
        assert not task.done()
    blocking.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert blocking.ended
