import asyncio
import secrets

import psutil
import pytest

from modelconversion.errors import ConversionError
from modelconversion.process_groups import session_of
from support.waiting import eventually, others


def running(marker: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if marker in (process.info["cmdline"] or ())]


async def work(marker: str) -> None:
    async with session_of("sh", "-c", f"sleep 60 {marker} & sleep 60 {marker}", stdout=asyncio.subprocess.DEVNULL):
        await asyncio.Event().wait()


@pytest.mark.parametrize("turns", [1, 2, 3, 4, 5, 8, 13])
async def test_child_processes_end_with_their_command_however_early_it_is_cancelled(turns: int) -> None:
    """Asyncio itself stops only the command if it is cancelled before the pipes are connected."""
    marker = f"0.{secrets.randbelow(10**12)}"
    task = asyncio.create_task(work(marker))
    await others(turns)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    async def is_over() -> bool:
        return not running(marker)

    await eventually(is_over)


async def test_processes_end_with_the_block() -> None:
    marker = f"0.{secrets.randbelow(10**12)}"
    task = asyncio.create_task(work(marker))

    async def has_started() -> bool:
        return len(running(marker)) > 1

    await eventually(has_started)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    async def is_over() -> bool:
        return not running(marker)

    await eventually(is_over)


async def test_a_missing_command_is_named() -> None:
    with pytest.raises(ConversionError, match=r"no-such-command cannot be run .* install it"):
        async with session_of("no-such-command"):
            pass


async def test_an_error_in_the_block_is_passed_on_unchanged() -> None:
    with pytest.raises(OSError, match="of the block"):
        async with session_of("true"):
            raise OSError("of the block")
