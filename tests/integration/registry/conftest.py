"""One registry and one view of the platform for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.oci_artifacts import OciClient
from support.registry_service import Platform, platform, running_registry


@pytest.fixture
async def registry(nats_url: str, tmp_path: Path) -> AsyncIterator[OciClient]:
    """A registry that compares seldom, so that no test depends on a comparison."""
    async with running_registry(tmp_path, nats_url, reconcile_seconds=600) as client:
        yield client


@pytest.fixture
async def world(nats_url: str, registry: OciClient) -> AsyncIterator[Platform]:
    """The platform around that registry."""
    assert registry.address
    async with platform(nats_url) as view:
        yield view
