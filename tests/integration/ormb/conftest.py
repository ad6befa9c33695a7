"""A registry that answers as a test scripts it, and a client with the account of ann."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ormb.client import OrmbClient
from support.scripted_registry import ANN, ScriptedRegistry


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedRegistry]:
    registry = ScriptedRegistry()
    async with registry.running():
        yield registry


@pytest.fixture
async def anns_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OrmbClient]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("ORMB_USERNAME", ANN.username)
    monkeypatch.setenv("ORMB_PASSWORD", ANN.password)
    async with OrmbClient(tmp_path / "ormb", chunk_bytes=1024) as opened:
        yield opened
