"""Fixtures that the security tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.data_planes import Bench, Upstream, behind_envoy, upstreams
from support.guarded_nats import GuardedNats
from support.processes import free_port


@pytest.fixture
async def guarded_nats(tmp_path: Path) -> AsyncIterator[GuardedNats]:
    """A nats-server that requires credentials, with all streams, buckets and consumers of the platform."""
    guarded = GuardedNats(tmp_path)
    guarded.server.start()
    try:
        await guarded.provide()
        yield guarded
    finally:
        guarded.server.stop()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A model server that answers with its name, `v1`."""
    async with upstreams("v1") as (one,):
        yield one


@pytest.fixture
async def envoy(tmp_path: Path) -> AsyncIterator[Bench]:
    """A real Envoy with the data plane that configures it."""
    async with behind_envoy(tmp_path, free_port()) as bench:
        yield bench
