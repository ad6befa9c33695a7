"""A push that is cancelled leaves no file open."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from ormb.client import OrmbClient
from support.scripted_registry import ScriptedRegistry
from support.small_models import big_file
from support.waiting import others

MIB = 1024 * 1024


def is_open(path: Path) -> bool:
    """Return whether this process has the file open."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if descriptor.readlink() == path:
                return True
    return False


@pytest.mark.parametrize("chunk", [64 * MIB, 16 * MIB], ids=["whole", "in pieces"])
async def test_cancelling_a_push_during_a_body_closes_its_file(
    scripted: ScriptedRegistry, tmp_path: Path, chunk: int
) -> None:
    model = big_file(tmp_path / "m", 32 * MIB)
    weights = model / "model" / "weights.bin"
    reached = asyncio.Event()

    def stop_reading(request: web.Request) -> bool:
        if (request.content_length or 0) < MIB:
            return False
        reached.set()
        return True

    scripted.is_deaf = stop_reading
    async with OrmbClient(tmp_path / "ormb", chunk_bytes=chunk) as client:
        push = asyncio.create_task(client.push_directory(model, scripted.reference))
        await reached.wait()
        assert is_open(weights)
        await others()
        push.cancel()
        with pytest.raises(asyncio.CancelledError):
            await push
        assert not is_open(weights)
