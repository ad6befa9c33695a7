"""The registry with accounts, for its own client, skopeo and a bare HTTP client."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from klever import accounts
from ormb.adapters.credentials import Credentials, store_credentials
from ormb.client import OrmbClient
from ormb.errors import AuthenticationError
from ormb.reference import Reference
from support.oci_artifacts import OCI_MANIFEST, OciClient, descriptor, sha256
from support.registry_service import running_registry

PASSWORD = "p" * 43


@pytest.fixture(scope="module")
def accounts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("accounts") / "accounts.yaml"
    accounts.add(file, "ci", "s3cret", pull=(), push=("library", "public"))
    accounts.add(file, "reader", "r", pull=("library",), push=())
    accounts.add(file, "root", "all", pull=(), push=("*",))
    accounts.allow_anonymous(file, ["public"])
    return file


@pytest.fixture
async def guarded(nats_url: str, tmp_path: Path, accounts_file: Path) -> AsyncIterator[OciClient]:
    own = tmp_path / "accounts.yaml"
    shutil.copy(accounts_file, own)
    async with running_registry(tmp_path / "data", nats_url, reconcile_seconds=600, accounts=own) as client:
        yield client


def login(name: str, password: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(name, password)}


def logged_in(tmp_path: Path, client: OciClient, name: str, password: str) -> Path:
    root = tmp_path / f"ormb-{name}"
    store_credentials(root, client.address, Credentials(name, password))
    return root


def named(registry: OciClient, repository: str) -> Reference:
    return Reference.parse(f"{registry.address}/{repository}:v1")


def model_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "mymodel"
    (directory / "model").mkdir(parents=True)
    (directory / "model" / "weights.bin").write_bytes(b"weights" * 1000)
    (directory / "ormbfile.yaml").write_text("format: Others\n")
    return directory


async def test_ormb_pushes_and_pulls_with_an_authorised_account(guarded: OciClient, tmp_path: Path) -> None:
    reference = named(guarded, "library/iris")
    async with OrmbClient(logged_in(tmp_path, guarded, "ci", "s3cret")) as client:
        await client.push_directory(model_directory(tmp_path), reference)
    async with OrmbClient(logged_in(tmp_path, guarded, "reader", "r")) as client:
        await client.pull_and_export(reference, tmp_path / "out")
        with pytest.raises(
            AuthenticationError, match=r"reader may not push to library. Ask the operator: .*ormb login"
        ):
            await client.push_directory(tmp_path / "mymodel", named(guarded, "library/other"))
    assert (tmp_path / "out" / "model" / "weights.bin").exists()


async def test_an_anonymous_client_is_asked_to_log_in(guarded: OciClient, tmp_path: Path) -> None:
    async with OrmbClient(tmp_path / "nobody") as client:
        with pytest.raises(AuthenticationError, match="ormb login"):
            await client.push_directory(model_directory(tmp_path), named(guarded, "library/iris"))
    for path in ("/v2/", "/v2/library/iris/tags/list"):
        answer = await guarded.request("GET", path)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert (await guarded.request("GET", "/readyz")).status == 200


async def test_an_anonymous_client_pulls_from_a_public_project_and_cannot_push(
    guarded: OciClient, tmp_path: Path
) -> None:
    async with OrmbClient(logged_in(tmp_path, guarded, "ci", "s3cret")) as client:
        await client.push_directory(model_directory(tmp_path), named(guarded, "public/iris"))
    async with OrmbClient(tmp_path / "nobody") as client:
        await client.pull_and_export(named(guarded, "public/iris"), tmp_path / "out")
    assert (await guarded.request("POST", "/v2/public/iris/blobs/uploads/")).status == 401
    assert (await guarded.request("DELETE", "/v2/public/iris/manifests/v1")).status == 401


async def test_a_blob_of_an_unreadable_project_is_not_mounted(guarded: OciClient) -> None:
    root, ci = login("root", "all"), login("ci", "s3cret")
    secret = b"weights of another team"
    begun = await guarded.request("POST", "/v2/secret/m/blobs/uploads/", headers=root)
    await guarded.request(
        "PUT", begun.headers["Location"], params={"digest": sha256(secret)}, data=secret, headers=root
    )
    wanted = {"mount": sha256(secret), "from": "secret/m"}
    assert (await guarded.request("POST", "/v2/library/m/blobs/uploads/", params=wanted, headers=ci)).status == 202
    assert (await guarded.request("HEAD", f"/v2/library/m/blobs/{sha256(secret)}", headers=ci)).status == 404
    assert (await guarded.request("POST", "/v2/library/m/blobs/uploads/", params=wanted, headers=root)).status == 201


async def test_rebuilding_the_catalogue_requires_push_rights_everywhere(guarded: OciClient) -> None:
    statuses = [
        (await guarded.request("POST", "/catalogue/rebuild", headers=headers)).status
        for headers in ({}, login("reader", "r"), login("root", "all"))
    ]
    assert statuses == [401, 403, 202]


async def test_only_repositories_with_pull_rights_are_listed(guarded: OciClient) -> None:
    root = login("root", "all")
    for repository in ("library/iris", "public/iris", "secret/iris"):
        begun = await guarded.request("POST", f"/v2/{repository}/blobs/uploads/", headers=root)
        await guarded.request(
            "PUT", begun.headers["Location"], params={"digest": sha256(b"{}")}, data=b"{}", headers=root
        )
        document = {"schemaVersion": 2, "config": descriptor(b"{}", "application/vnd.example.x"), "layers": []}
        headers = {**root, "Content-Type": OCI_MANIFEST}
        await guarded.request("PUT", f"/v2/{repository}/manifests/v1", data=json.dumps(document), headers=headers)

    async def listed(headers: dict[str, str]) -> list[str]:
        answer = await guarded.request("GET", "/v2/_catalog", headers=headers)
        return list(answer.json["repositories"])

    assert await listed(root) == ["library/iris", "public/iris", "secret/iris"]
    assert await listed(login("reader", "r")) == ["library/iris", "public/iris"]
    assert await listed(login("", "")) == ["public/iris"]
    assert (await guarded.request("GET", "/v2/_catalog")).status == 401
    assert (await guarded.request("GET", "/v2/_catalog", headers=login("reader", "wrong"))).status == 401


async def test_a_new_account_is_known_without_a_restart(guarded: OciClient, tmp_path: Path) -> None:
    late = login("late", "p")
    assert (await guarded.request("GET", "/v2/", headers=late)).status == 401
    accounts.add(tmp_path / "accounts.yaml", "late", "p", pull=("*",), push=())
    assert (await guarded.request("GET", "/v2/", headers=late)).status == 200
    (tmp_path / "accounts.yaml").write_text("accounts: 7")
    assert (await guarded.request("GET", "/v2/", headers=late)).status == 200


async def test_the_platforms_password_grants_access_until_there_are_accounts(nats_url: str, tmp_path: Path) -> None:
    file, password = tmp_path / "accounts.yaml", tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    begin = ("POST", "/v2/library/m/blobs/uploads/")
    settings = {"accounts": file, "platform_password_file": password}
    async with running_registry(tmp_path / "data", nats_url, **settings) as client:
        for headers, status in (({}, 401), (login("klever", "guess"), 401), (login("klever", PASSWORD), 202)):
            assert (await client.request(*begin, headers=headers)).status == status
        accounts.add(file, "ci", "s3cret", pull=(), push=("library",))
        for headers, status in ((login("ci", "s3cret"), 202), (login("klever", PASSWORD), 202)):
            assert (await client.request(*begin, headers=headers)).status == status
        accounts.allow_anonymous(file, ["*"])
        assert (await client.request("GET", "/v2/library/m/tags/list")).status == 404
        assert (await client.request(*begin)).status == 401
    file.unlink()
    async with running_registry(tmp_path / "data", nats_url, **settings) as client:
        for headers, status in (({}, 401), (login("ci", "s3cret"), 401), (login("klever", PASSWORD), 202)):
            assert (await client.request(*begin, headers=headers)).status == status


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed here")
async def test_skopeo_logs_in_and_reads_public_projects_anonymously(guarded: OciClient, tmp_path: Path) -> None:
    async with OrmbClient(logged_in(tmp_path, guarded, "ci", "s3cret")) as client:
        for project in ("library", "public"):
            await client.push_directory(model_directory(tmp_path / project), named(guarded, f"{project}/iris"))
    anonymous = ["skopeo", "inspect", "--raw", "--tls-verify=false"]
    assert await ends_with(0, *anonymous, f"docker://{guarded.address}/public/iris:v1")
    assert not await ends_with(0, *anonymous, f"docker://{guarded.address}/library/iris:v1")
    assert await ends_with(0, *anonymous, "--creds", "reader:r", f"docker://{guarded.address}/library/iris:v1")


async def ends_with(code: int, *command: str) -> bool:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "REGISTRY_AUTH_FILE": "/nonexistent"}, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == code
