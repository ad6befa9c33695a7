"""The registries that every OCI client of ours must support."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.oci_registry import distribution
from support.registry_service import running_registry


@pytest.fixture(params=["klever", "distribution"])
async def oci_host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """host:port of a registry: Klever's own, then CNCF distribution."""
    if request.param == "distribution":
        with distribution(tmp_path) as address:
            yield address
        return
    nats_url: str = request.getfixturevalue("nats_url")
    async with running_registry(tmp_path, nats_url, reconcile_seconds=600) as client:
        yield client.address
