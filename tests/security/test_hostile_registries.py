"""Registries with endless or invalid answers: the client gets an error."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from ormb.client import OrmbClient
from ormb.errors import OrmbError
from ormb.mediatypes import OCI_MANIFEST
from support.scripted_registry import Script, ScriptedRegistry


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedRegistry]:
    registry = ScriptedRegistry(manifests={"v1": (b"{}", OCI_MANIFEST)})
    async with registry.running():
        yield registry


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[OrmbClient]:
    async with OrmbClient(tmp_path / "ormb") as opened:
        yield opened


def referrers(body: bytes, **headers: str) -> Script:
    return lambda request: web.Response(body=body, headers=headers) if "/referrers/" in request.path else None


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(referrers(b'{"manifests":' + b"[" * 100_000), id="nested"),
        pytest.param(referrers(b" " * 900_000, Link='</v2/m/referrers/x>; rel="next"'), id="no JSON"),
        pytest.param(
            referrers(b'{"manifests": [' + b"0," * 200_000 + b"0]}", Link='</v2/m/referrers/x>; rel="next"'),
            id="pages without end",
        ),
        pytest.param(lambda _request: web.Response(body=b"[" * 100_000, content_type=OCI_MANIFEST), id="manifest"),
    ],
)
async def test_an_answer_over_the_limits_is_refused(
    scripted: ScriptedRegistry, client: OrmbClient, script: Script
) -> None:
    scripted.script = script
    with pytest.raises(OrmbError):
        await client.discover(scripted.reference)
    with pytest.raises(OrmbError):
        await client.inspect(scripted.reference)
