"""Registries that want to know who asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ormb.adapters.credentials import CONFIG, Credentials, forget_credentials, store_credentials
from ormb.client import OrmbClient
from ormb.errors import AuthenticationError
from ormb.reference import Reference
from support.guarded_registry import PASSWORD, USER, GuardedRegistry


@pytest.fixture(params=["basic", "bearer"])
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[GuardedRegistry]:
    async with GuardedRegistry(request.param).running() as running:
        yield running


async def inspect(root: Path, registry: GuardedRegistry) -> str:
    async with OrmbClient(root) as client:
        return (await client.inspect(Reference(registry.host, "library/iris", "v1"))).digest


async def test_credentials_open_the_door(registry: GuardedRegistry, tmp_path: Path) -> None:
    store_credentials(tmp_path, registry.host, Credentials(USER, PASSWORD))
    assert await inspect(tmp_path, registry) == registry.model.digest
    assert set(registry.scopes) <= {"repository:library/iris:pull"}


async def test_credentials_come_from_the_environment_too(
    registry: GuardedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORMB_USERNAME", USER)
    monkeypatch.setenv("ORMB_PASSWORD", PASSWORD)
    assert await inspect(tmp_path, registry) == registry.model.digest


async def test_without_credentials_the_command_to_run_is_named(registry: GuardedRegistry, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match=f"wants credentials for .*: `ormb login {registry.host}`"):
        await inspect(tmp_path, registry)


async def test_wrong_credentials_are_said_to_be_wrong(registry: GuardedRegistry, tmp_path: Path) -> None:
    store_credentials(tmp_path, registry.host, Credentials(USER, "guess"))
    with pytest.raises(AuthenticationError, match=r"refuses 'robot\$ci'"):
        await inspect(tmp_path, registry)


async def test_credentials_are_for_the_user_only_and_can_be_forgotten(tmp_path: Path) -> None:
    store_credentials(tmp_path, "a.example.com", Credentials(USER, PASSWORD))
    assert (tmp_path / CONFIG).stat().st_mode & 0o777 == 0o600
    assert forget_credentials(tmp_path, "a.example.com")
    assert not forget_credentials(tmp_path, "a.example.com")


async def test_credentials_that_cannot_be_read_are_an_error(registry: GuardedRegistry, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text(f'{{"auths": {{"{registry.host}": {{"auth": "!"}}}}}}')
    with pytest.raises(AuthenticationError, match="cannot be read: `ormb login"):
        await inspect(tmp_path, registry)
