"""Pushing to, and pulling from, a server that is not a registry."""

from pathlib import Path

import pytest

from ormb.client import OrmbClient
from ormb.errors import NotFoundError, RegistryError
from ormb.reference import Reference
from support.gateway import running_gateway
from support.small_models import adder
from support.stub_gateway import stub_gateway


async def test_the_gateway_names_its_registry(nats_url: str, tmp_path: Path) -> None:
    async with running_gateway(nats_url, tmp_path / "gateway") as gateway, OrmbClient(tmp_path / "ormb") as client:
        reference = Reference(f"localhost:{gateway.port}", "library/adder", "v1")
        says = rf"localhost:{gateway.port} is not an OCI registry; Klever's is localhost:5000"
        with pytest.raises(RegistryError, match=says):
            await client.push_directory(adder(tmp_path / "adder", 1), reference)
        with pytest.raises(RegistryError, match=says):
            await client.inspect(reference)


async def test_any_other_server_is_reported_as_no_registry(tmp_path: Path) -> None:
    with stub_gateway({}) as url:
        host = url.removeprefix("http://")
        async with OrmbClient(tmp_path / "ormb") as client:
            with pytest.raises(NotFoundError, match=f"{host} does not answer as an OCI registry: check host and port"):
                await client.inspect(Reference(host, "library/adder", "v1"))
