"""A blocking call that was cancelled has ended before anybody else may have its files."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from ormb.client import OrmbClient
from ormb.exporting import is_exported
from ormb.packing import pack
from ormb.reference import Reference
from ormb.threads import in_thread
from support.small_models import adder
from support.waiting import eventually

REFERENCE = Reference.parse("localhost:5000/library/adder:v1")


class Gate:
    """A blocking call that ends when it is let."""

    def __init__(self) -> None:
        self.entered, self.opened, self.ended = threading.Event(), threading.Event(), False

    def wait(self) -> str:
        self.entered.set()
        self.opened.wait()
        self.ended = True
        return "done"


async def begun(gate: Gate) -> "asyncio.Task[str]":
    task = asyncio.create_task(in_thread(gate.wait))

    async def has_entered() -> bool:
        return gate.entered.is_set()

    await eventually(has_entered)
    return task


async def test_what_a_call_returns_or_raises_is_the_callers() -> None:
    assert await in_thread(int, "5", base=8) == 5
    with pytest.raises(ValueError, match="invalid literal"):
        await in_thread(int, "x")


async def test_a_cancelled_caller_returns_when_the_thread_has_ended_however_often_it_is_cancelled() -> None:
    gate = Gate()
    task = await begun(gate)
    for _ in range(3):
        task.cancel()
        assert await asyncio.wait({task}, timeout=0.02) == (set(), {task})
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.ended


async def test_an_export_that_was_cancelled_no_longer_writes_when_the_next_one_begins(tmp_path: Path) -> None:
    """The blob is a pipe: whoever copies it waits until the test writes to it."""
    client, out = OrmbClient(tmp_path / "ormb"), tmp_path / "out"
    packed = pack(adder(tmp_path / "adder", 1))
    client.layout.save(packed, REFERENCE)
    blob = client.layout.blob_path(packed.layers[0].descriptor.digest)
    content = blob.read_bytes()
    blob.unlink()
    os.mkfifo(blob)
    first = asyncio.create_task(client.export(REFERENCE, out))
    await eventually(lambda: in_thread(lambda: list(out.glob(".ormb-*/model"))))
    first.cancel()
    assert await asyncio.wait({first}, timeout=0.05) == (set(), {first})
    await in_thread(blob.write_bytes, content)
    with pytest.raises(asyncio.CancelledError):
        await first
    assert is_exported(out, packed.digest)
