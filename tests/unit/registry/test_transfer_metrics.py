"""Bytes of blobs that the registry receives and sends, and the space on its disk."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry

from klever_registry.domain.storage import Storage
from klever_registry.metrics import RegistryMetrics
from klever_registry.service.blobs import Body
from support.registry_units import RegistryUnits
from support.waiting import eventually

CONTENT = b"weights" * 1000
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


async def pieces() -> AsyncIterator[bytes]:
    yield CONTENT[:4000]
    yield CONTENT[4000:]


async def test_received_and_sent_bytes_are_counted_and_ranges_count_what_was_read(tmp_path: Path) -> None:
    units = RegistryUnits(tmp_path)
    blobs = units.distribution.blobs
    await blobs.upload_whole("demo/iris", DIGEST, Body(pieces()))
    upload = await blobs.begin_upload("demo/other")
    await blobs.finish("demo/other", upload, DIGEST, Body(pieces()))
    sent = b"".join([piece async for piece in blobs.read("demo/iris", DIGEST, range(10, 110))])
    assert sent == CONTENT[10:110]

    def bytes_of(direction: str) -> float | None:
        return units.metrics.get_sample_value("klever_registry_transfer_bytes_total", {"direction": direction})

    assert (bytes_of("received"), bytes_of("sent")) == (2 * len(CONTENT), 100)


async def test_the_space_on_the_disk_is_exported() -> None:
    registry = CollectorRegistry()
    metrics = RegistryMetrics(registry)

    async def storage() -> Storage:
        return Storage(stored=7, free=11)

    measuring = asyncio.create_task(metrics.measure(storage))

    async def measured() -> bool:
        return registry.get_sample_value("klever_registry_stored_bytes") == 7

    await eventually(measured)
    assert registry.get_sample_value("klever_registry_free_bytes") == 11
    measuring.cancel()
    with suppress(asyncio.CancelledError):
        await measuring
