"""A cancelled export has ended before another one may use its files."""

import asyncio
import os
from pathlib import Path

import pytest

from modelformats.threads import in_thread
from ormb.client import OrmbClient
from ormb.exporting import is_exported
from ormb.packing import pack
from ormb.reference import Reference
from support.small_models import adder
from support.waiting import eventually

REFERENCE = Reference.parse("localhost:5000/library/adder:v1")


async def test_a_cancelled_export_no_longer_writes_when_the_next_one_starts(tmp_path: Path) -> None:
    """The blob is a pipe, so that the copy waits until the test writes to it."""
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
