"""Access to the registry: repositories of others, guesses of passwords, files on disk."""

import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from klever import accounts
from support.oci_artifacts import OciClient, sha256
from support.processes import free_port
from support.registry_service import RegistryProcess, oci_client

SECRET = b"weights of others"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RegistryProcess]:
    file = tmp_path / "accounts.yaml"
    accounts.add(file, "owner", "o", pull=(), push=("library",))
    accounts.add(file, "stranger", "s", pull=("foo",), push=("bar",))
    with RegistryProcess(tmp_path, f"nats://127.0.0.1:{free_port()}", accounts=str(file)) as process:
        yield process


@pytest.fixture
async def client(service: RegistryProcess) -> AsyncIterator[OciClient]:
    async with oci_client(service.address) as client:
        yield client


def login(name: str, password: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(name, password)}


async def stored(client: OciClient) -> str:
    """Push a blob of the owner to `library/foo`."""
    begun = await client.request("POST", "/v2/foo/blobs/uploads/", headers=login("owner", "o"))
    query = {"digest": sha256(SECRET)}
    sent = await client.request(
        "PUT", begun.headers["Location"], params=query, data=SECRET, headers=login("owner", "o")
    )
    assert sent.status == 201
    return query["digest"]


@pytest.mark.parametrize("source", ["foo", "library/foo"])
async def test_a_blob_is_mounted_only_from_a_readable_repository(client: OciClient, source: str) -> None:
    """`foo` is `library/foo`, so permissions in the project `foo` do not apply."""
    query = {"mount": await stored(client), "from": source}
    mounted = await client.request("POST", "/v2/bar/m/blobs/uploads/", params=query, headers=login("stranger", "s"))
    assert mounted.status == 202, "an upload of one's own is begun instead"
    blob = await client.request("GET", f"/v2/bar/m/blobs/{query['mount']}", headers=login("stranger", "s"))
    assert blob.status == 404


@pytest.mark.parametrize("name", ["owner", "nobody"])
async def test_guessing_passwords_is_slowed_down_increasingly(client: OciClient, name: str) -> None:
    guesses = [await client.request("GET", "/v2/", headers=login(name, str(guess))) for guess in range(12)]
    assert {answer.status for answer in guesses[:5]} == {401}
    paused = next(answer for answer in guesses if answer.status != 401)
    assert (paused.status, paused.code) == (429, "TOOMANYREQUESTS")
    assert int(paused.headers["Retry-After"]) >= 1
    assert (await client.request("GET", "/v2/", headers=login("stranger", "s"))).status == 200


async def test_no_other_user_can_read_files_of_the_registry(service: RegistryProcess, client: OciClient) -> None:
    await stored(client)
    assert open_to_others(service.data_dir) == []


def open_to_others(directory: Path) -> list[Path]:
    return [path for path in (directory, *directory.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077]
