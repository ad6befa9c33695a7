"""The limits of an account's storage in the registry."""

import gzip
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from klever import accounts
from support import oci_artifacts as oci
from support.oci_artifacts import Answer, OciClient, sha256
from support.processes import free_port
from support.registry_service import RegistryProcess, oci_client

LOGIN = {"Authorization": aiohttp.encode_basic_auth("owner", "o")}
MOST_BYTES, MOST_UPLOADS = 100_000, 3


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.yaml"
    accounts.add(path, "owner", "o", pull=(), push=("library", "other"))
    return path


@pytest.fixture
def service(tmp_path: Path, file: Path) -> Iterator[RegistryProcess]:
    limits = {"max_blob_bytes": str(MOST_BYTES), "max_uploads": str(MOST_UPLOADS)}
    with RegistryProcess(tmp_path, f"nats://127.0.0.1:{free_port()}", accounts=str(file), **limits) as process:
        yield process


@pytest.fixture
async def client(service: RegistryProcess) -> AsyncIterator[OciClient]:
    async with oci_client(service.address) as client:
        yield client


async def start_upload(client: OciClient, project: str = "library") -> Answer:
    return await client.request("POST", f"/v2/{project}/m/blobs/uploads/", headers=LOGIN)


async def sent(client: OciClient, content: bytes, project: str = "library", **headers: str) -> Answer:
    location = (await start_upload(client, project)).headers["Location"]
    query = {"digest": sha256(content)}
    return await client.request("PUT", location, params=query, data=content, headers={**LOGIN, **headers})


def on_disk(service: RegistryProcess) -> int:
    """The bytes of all blobs and uploads."""
    return sum(path.stat().st_size for path in (service.data_dir / "repositories").rglob("*") if path.is_file())


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "in chunks of unknown number"])
async def test_a_blob_over_the_limit_is_refused_and_leaves_nothing(
    service: RegistryProcess, client: OciClient, *, chunked: bool
) -> None:
    location = (await start_upload(client)).headers["Location"]

    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(MOST_BYTES // 2)

    content = body() if chunked else bytes(MOST_BYTES + 1)
    refused = await client.request("PATCH", location, data=content, headers=LOGIN)
    assert (refused.status, refused.code) == (413, "SIZE_INVALID")
    assert (await client.request("GET", location, headers=LOGIN)).status == 404
    assert on_disk(service) < 1000


async def test_a_project_cannot_exceed_its_quota(service: RegistryProcess, client: OciClient, file: Path) -> None:
    assert (await sent(client, b"a" * 60_000)).status == 201
    accounts.set_quota(file, "library", "100k")
    refused = await sent(client, b"b" * 60_000)
    assert (refused.status, refused.code, refused.json["errors"][0]["detail"]["quota"]) == (403, "DENIED", 100_000)
    assert (await sent(client, b"c" * 60_000, "other")).status == 201
    mount = {"mount": sha256(b"c" * 60_000), "from": "other/m"}
    mounted = await client.request("POST", "/v2/library/m/blobs/uploads/", params=mount, headers=LOGIN)
    assert (mounted.status, mounted.code) == (403, "DENIED")
    accounts.set_quota(file, "library", "none")
    assert (await sent(client, b"b" * 60_000)).status == 201
    assert on_disk(service) > 180_000


async def test_unfinished_uploads_are_limited_by_project(client: OciClient) -> None:
    answers = [await start_upload(client) for _ in range(MOST_UPLOADS + 1)]
    assert [answer.status for answer in answers] == [202] * MOST_UPLOADS + [429]
    assert (answers[-1].code, "Retry-After" in answers[-1].headers) == ("TOOMANYREQUESTS", True)
    assert (await start_upload(client, "other")).status == 202


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_bodies_that_decompress_over_the_limit_are_refused(client: OciClient, coding: str) -> None:
    plain = bytes(MOST_BYTES)
    location = (await start_upload(client)).headers["Location"]
    body = gzip.compress(plain)
    headers = {**LOGIN, "Content-Encoding": coding}
    refused = await client.request("PUT", location, params={"digest": sha256(plain)}, data=body, headers=headers)
    assert (refused.status, refused.code) == (415, "UNSUPPORTED")


async def test_headers_over_the_limit_are_refused(client: OciClient) -> None:
    refused = await client.request("GET", "/v2/", headers={f"X-{number}": "x" * 7000 for number in range(10)})
    assert (refused.status, refused.code) == (431, "UNSUPPORTED")


async def test_a_manifest_counts_too(client: OciClient, file: Path) -> None:
    artifact = oci.model()
    for blob in artifact.blobs:
        assert (await sent(client, blob)).status == 201
    accounts.set_quota(file, "library", "300")
    path, kind = "/v2/library/m/manifests/v1", {"Content-Type": oci.OCI_MANIFEST}
    refused = await client.request("PUT", path, data=artifact.manifest, headers={**LOGIN, **kind})
    assert (refused.status, refused.code) == (403, "DENIED")
