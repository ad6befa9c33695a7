"""NATS loses consumers or everything under a running platform, which recovers without help."""

from pathlib import Path

import pytest

from kleverproto.streams import CONSUMERS
from support.small_models import adder
from support.waiting import eventually
from support.whole_platform import Platform


@pytest.mark.timeout(180)
async def test_deleted_consumers_are_recreated(platform: Platform, tmp_path: Path) -> None:
    await platform.push(adder(tmp_path / "1", 1), "store/adder:v1")
    await platform.parsed("store/adder:v1")
    async with platform.jetstream() as js:
        for spec in CONSUMERS:
            assert await js.delete_consumer(spec.stream, spec.durable)

        async def all_exist() -> bool:
            for spec in CONSUMERS:
                await js.consumer_info(spec.stream, spec.durable)
            return True

        await eventually(all_exist, within=30)
    await platform.push(adder(tmp_path / "2", 2), "store/adder:v2")
    await platform.parsed("store/adder:v2")
    await platform.healed()
    assert len(await platform.events("klever.job.started.>")) == 2


@pytest.mark.timeout(180)
async def test_deleted_streams_and_buckets_are_recreated(platform: Platform, tmp_path: Path) -> None:
    await platform.push(adder(tmp_path / "1", 1), "store/adder:v1")
    await platform.parsed("store/adder:v1")
    async with platform.jetstream() as js:
        for info in await js.streams_info():
            await js.delete_stream(str(info.config.name))
    await platform.push(adder(tmp_path / "2", 2), "store/adder:v2")
    await platform.parsed("store/adder:v2")
    await platform.healed()
