"""Registries that require a login."""

import base64
import json
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from ormb.adapters.challenge import Authorizer
from ormb.adapters.credentials import CONFIG, Credentials, find_credentials, forget_credentials, store_credentials
from ormb.adapters.tls import verification
from ormb.adapters.transport import Transport
from ormb.client import OrmbClient
from ormb.errors import AuthenticationError
from ormb.reference import Reference
from support.guarded_registry import IDENTITY, PASSWORD, USER, GuardedRegistry


@pytest.fixture(params=["basic", "bearer"])
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[GuardedRegistry]:
    async with GuardedRegistry(request.param).running() as running:
        yield running


SECRET = f"{USER}:{PASSWORD}".encode()


def docker(home: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]) -> None:
    """Write the files of `docker login`."""
    (home / "docker").mkdir(exist_ok=True)
    (home / "docker" / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "docker"))


def helper(home: Path, monkeypatch: pytest.MonkeyPatch, host: str, answer: dict[str, str]) -> None:
    """A credential helper that knows one host."""
    program = home / "bin" / "docker-credential-test"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n[ \"$(cat)\" = {host} ] && echo '{json.dumps(answer)}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


async def inspect(root: Path, registry: GuardedRegistry) -> str:
    async with OrmbClient(root) as client:
        return (await client.inspect(Reference(registry.host, "library/iris", "v1"))).digest


async def test_credentials_grant_access(registry: GuardedRegistry, tmp_path: Path) -> None:
    store_credentials(tmp_path, registry.host, Credentials(USER, PASSWORD))
    assert await inspect(tmp_path, registry) == registry.model.digest
    assert set(registry.scopes) <= {"repository:library/iris:pull"}


async def test_dockers_credentials_are_found(
    registry: GuardedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(tmp_path, monkeypatch, {"auths": {registry.host: {"auth": base64.b64encode(SECRET).decode()}}})
    assert await inspect(tmp_path, registry) == registry.model.digest


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
async def test_credential_helpers_are_called(
    registry: GuardedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    helper(tmp_path, monkeypatch, registry.host, {"Username": USER, "Secret": PASSWORD})
    docker(tmp_path, monkeypatch, {key: {registry.host: "test"} if key == "credHelpers" else "test"})
    assert await inspect(tmp_path, registry) == registry.model.digest


async def test_a_missing_helper_is_reported(
    registry: GuardedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(tmp_path, monkeypatch, {"credHelpers": {registry.host: "missing"}})
    with pytest.raises(AuthenticationError, match="docker-credential-missing does not work"):
        await inspect(tmp_path, registry)


@pytest.mark.parametrize("of_helper", [False, True])
async def test_an_identity_token_is_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, of_helper: bool
) -> None:
    async with GuardedRegistry("bearer").running() as registry:
        if of_helper:
            helper(tmp_path, monkeypatch, registry.host, {"Username": "<token>", "Secret": IDENTITY})
            docker(tmp_path, monkeypatch, {"credsStore": "test"})
        else:
            docker(tmp_path, monkeypatch, {"auths": {registry.host: {"identitytoken": IDENTITY}}})
        assert await inspect(tmp_path, registry) == registry.model.digest


async def test_a_token_that_expires_is_renewed(tmp_path: Path) -> None:
    async with GuardedRegistry("bearer").running() as registry, OrmbClient(tmp_path) as client:
        store_credentials(tmp_path, registry.host, Credentials(USER, PASSWORD))
        reference = Reference(registry.host, "library/iris", "v1")
        await client.inspect(reference)
        registry.tokens.clear()
        assert (await client.inspect(reference)).digest == registry.model.digest
        assert len(registry.scopes) == 2


async def test_a_certificate_of_a_private_authority_is_trusted_on_request(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("registry.test").configure_cert(tls)
    context = verification(insecure=False, ca_file=tmp_path / "ca.pem")
    async with GuardedRegistry("basic").running(tls) as registry, aiohttp.ClientSession() as session:
        url = f"https://{registry.host}/v2/"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(url, server_hostname="registry.test")
        async with session.get(url, ssl=context, server_hostname="registry.test") as response:
            assert response.status == 401


async def test_credentials_are_read_from_the_environment_too(
    registry: GuardedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORMB_USERNAME", USER)
    monkeypatch.setenv("ORMB_PASSWORD", PASSWORD)
    assert await inspect(tmp_path, registry) == registry.model.digest


async def test_missing_credentials_are_reported_with_the_command_to_run(
    registry: GuardedRegistry, tmp_path: Path
) -> None:
    with pytest.raises(AuthenticationError, match=f"wants credentials for .*: `ormb login {registry.host}`"):
        await inspect(tmp_path, registry)


async def test_wrong_credentials_are_reported_as_wrong(registry: GuardedRegistry, tmp_path: Path) -> None:
    store_credentials(tmp_path, registry.host, Credentials(USER, "guess"))
    with pytest.raises(AuthenticationError, match=r"refuses 'robot\$ci'"):
        await inspect(tmp_path, registry)


async def test_credentials_are_private_to_the_user_and_can_be_removed(tmp_path: Path) -> None:
    store_credentials(tmp_path, "a.example.com", Credentials(USER, PASSWORD))
    assert (tmp_path / CONFIG).stat().st_mode & 0o777 == 0o600
    assert forget_credentials(tmp_path, "a.example.com")
    assert not forget_credentials(tmp_path, "a.example.com")


async def test_unreadable_credentials_are_an_error(registry: GuardedRegistry, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text(f'{{"auths": {{"{registry.host}": {{"auth": "!"}}}}}}')
    with pytest.raises(AuthenticationError, match="cannot be read: `ormb login"):
        await inspect(tmp_path, registry)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        "[" * 100_000,
        '{"auths": []}',
        '{"auths": {"a.example.com": "secret"}}',
        '{"auths": {"a.example.com": [1]}}',
    ],
)
def test_a_file_of_another_shape_is_skipped_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / CONFIG).write_text(text)
    docker(tmp_path, monkeypatch, {"auths": {"a.example.com": {"auth": base64.b64encode(SECRET).decode()}}})
    warnings: list[str] = []
    assert find_credentials(tmp_path, "a.example.com", warnings.append) == Credentials(USER, PASSWORD)
    assert [str(tmp_path / CONFIG) in warning for warning in warnings] == [True]


def test_a_login_moves_an_unreadable_file_aside(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("{ by hand")
    warnings: list[str] = []
    store_credentials(tmp_path, "a.example.com", Credentials(USER, PASSWORD), warnings.append)
    assert find_credentials(tmp_path, "a.example.com", warnings.append) == Credentials(USER, PASSWORD)
    assert (tmp_path / f"{CONFIG}.unreadable").read_text() == "{ by hand"
    assert len(warnings) == 1


@pytest.mark.parametrize("config", ["{", '{"credsStore": "missing"}', '{"credHelpers": {"127.0.0.1": "missing"}}'])
async def test_a_registry_without_login_needs_no_valid_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    """Docker's file and ormb's own files are broken, and the pull does not depend on them."""
    docker(tmp_path, monkeypatch, {})
    (tmp_path / "docker" / "config.json").write_text(config)
    for name in (CONFIG, "uploads", "digests"):
        (tmp_path / name).write_text("{")
    async with GuardedRegistry("anonymous").running() as registry:
        assert await inspect(tmp_path, registry) == registry.model.digest


def test_an_incomplete_login_in_the_environment_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORMB_USERNAME", USER)
    warnings: list[str] = []
    assert find_credentials(tmp_path, "a.example.com", warnings.append) is None
    assert warnings == ["of $ORMB_USERNAME and $ORMB_PASSWORD only one is set: neither is used"]


async def test_a_push_requests_a_push_token_and_a_pull_does_not_get_it() -> None:
    async with GuardedRegistry("bearer").running() as registry, aiohttp.ClientSession() as session:
        reference = Reference(registry.host, "library/iris", "v1")
        authorizer = Authorizer(lambda _host, _warn: Credentials(USER, PASSWORD), Transport(session))
        async with session.get(f"http://{registry.host}/v2/") as response:
            await authorizer.learn(reference, response, push=True)
        assert registry.scopes == ["repository:library/iris:pull,push"]
        assert authorizer.headers(reference, push=True)["Authorization"].startswith("Bearer ")
        assert authorizer.headers(reference, push=False) == {}
        assert authorizer.headers(Reference(registry.host, "other/iris", "v1"), push=True) == {}
