"""Blobs through the distribution API, for any client."""

import asyncio
import hashlib

import pytest

from support import oci_artifacts as oci
from support.oci_artifacts import OciClient

REPOSITORY = "library/iris"
CONTENT = bytes(range(256)) * 16
DIGEST = oci.sha256(CONTENT)
BLOB = f"/v2/{REPOSITORY}/blobs/{DIGEST}"


async def test_the_api_reports_its_version(registry: OciClient) -> None:
    for path in ("/v2/", "/v2"):
        answer = await registry.request("GET", path)
        assert (answer.status, answer.headers["Docker-Distribution-Api-Version"]) == (200, "registry/2.0")


async def test_a_pushed_blob_is_read_whole_by_range_and_by_head(registry: OciClient) -> None:
    pushed = await registry.push_blob(REPOSITORY, CONTENT)
    assert (pushed.status, pushed.headers["Location"], pushed.headers["Docker-Content-Digest"]) == (201, BLOB, DIGEST)
    whole = await registry.request("GET", BLOB)
    assert (whole.status, whole.body, whole.headers["Docker-Content-Digest"]) == (200, CONTENT, DIGEST)
    head = await registry.request("HEAD", BLOB)
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(CONTENT)))
    part = await registry.request("GET", BLOB, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, CONTENT[10:20], "bytes 10-19/4096")
    outside = await registry.request("GET", BLOB, headers={"Range": "bytes=9999-"})
    assert (outside.status, outside.headers["Content-Range"]) == (416, "bytes */4096")


async def test_an_empty_blob_is_valid(registry: OciClient) -> None:
    assert (await registry.push_blob(REPOSITORY, b"")).status == 201
    answer = await registry.request("GET", f"/v2/{REPOSITORY}/blobs/{oci.sha256(b'')}")
    assert (answer.status, answer.body) == (200, b"")


async def test_a_blob_can_be_pushed_in_a_single_post(registry: OciClient) -> None:
    path = f"/v2/{REPOSITORY}/blobs/uploads/"
    assert (await registry.request("POST", path, params={"digest": DIGEST}, data=CONTENT)).status == 201
    sha512 = f"sha512:{hashlib.sha512(CONTENT).hexdigest()}"
    assert (await registry.request("POST", path, params={"digest": sha512}, data=CONTENT)).status == 201
    assert (await registry.request("GET", f"/v2/{REPOSITORY}/blobs/{sha512}")).body == CONTENT


async def test_a_blob_can_be_pushed_in_chunks_that_must_be_in_order(registry: OciClient) -> None:
    location = await registry.begin(REPOSITORY)

    async def patch(start: int, stop: int) -> oci.Answer:
        headers = {"Content-Range": f"{start}-{stop - 1}", "Content-Type": "application/octet-stream"}
        return await registry.request("PATCH", location, data=CONTENT[start:stop], headers=headers)

    first = await patch(0, 1000)
    assert (first.status, first.headers["Range"]) == (202, "0-999")
    late = await patch(2000, 3000)
    assert (late.status, late.code, late.headers["Range"]) == (416, "BLOB_UPLOAD_INVALID", "0-999")
    again = await patch(0, 1000)
    assert (again.status, again.headers["Location"]) == (416, location)
    status = await registry.request("GET", location)
    assert (status.status, status.headers["Range"]) == (204, "0-999")
    assert (await patch(1000, 3000)).headers["Range"] == "0-2999"
    last = {"Content-Range": "3000-4095"}
    done = await registry.request("PUT", location, params={"digest": DIGEST}, data=CONTENT[3000:], headers=last)
    assert done.status == 201
    assert (await registry.request("GET", BLOB)).body == CONTENT


async def test_bytes_with_another_digest_are_refused_and_stay_invisible(registry: OciClient) -> None:
    location = await registry.begin(REPOSITORY)
    answer = await registry.request("PUT", location, params={"digest": DIGEST}, data=b"other")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert (await registry.request("HEAD", BLOB)).status == 404


async def test_a_chunk_whose_length_differs_from_its_range_is_refused(registry: OciClient) -> None:
    location = await registry.begin(REPOSITORY)
    answer = await registry.request("PATCH", location, data=b"12345", headers={"Content-Range": "0-9"})
    assert (answer.status, answer.code) == (400, "SIZE_INVALID")
    assert (await registry.request("PUT", location, data=b"")).code == "DIGEST_INVALID"


async def test_a_cancelled_upload_is_unknown(registry: OciClient) -> None:
    location = await registry.begin(REPOSITORY)
    assert (await registry.request("DELETE", location)).status == 204
    answer = await registry.request("GET", location)
    assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")


async def test_a_blob_is_mounted_from_another_repository_or_must_be_uploaded(registry: OciClient) -> None:
    await registry.push_blob("library/other", CONTENT)
    path = f"/v2/{REPOSITORY}/blobs/uploads/"
    absent = await registry.request("POST", path, params={"mount": DIGEST, "from": "library/absent"})
    assert (absent.status, "/blobs/uploads/" in absent.headers["Location"]) == (202, True)
    mounted = await registry.request("POST", path, params={"mount": DIGEST, "from": "library/other"})
    assert (mounted.status, mounted.headers["Location"]) == (201, BLOB)
    assert (await registry.request("GET", BLOB)).body == CONTENT


async def test_a_deleted_blob_is_unknown(registry: OciClient) -> None:
    await registry.push_blob(REPOSITORY, CONTENT)
    assert (await registry.request("DELETE", BLOB)).status == 202
    for method in ("GET", "DELETE"):
        answer = await registry.request(method, BLOB)
        assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


async def test_the_same_blob_can_be_pushed_by_many_clients_concurrently(registry: OciClient) -> None:
    pushes = [registry.push_blob(f"library/model-{number % 3}", CONTENT) for number in range(12)]
    assert {answer.status for answer in await asyncio.gather(*pushes)} == {201}
    assert (await registry.request("GET", f"/v2/library/model-1/blobs/{DIGEST}")).body == CONTENT


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/v2/Upper/blobs/{DIGEST}", 400, "NAME_INVALID"),
        ("GET", "/v2/library/iris/blobs/sha256:abc", 400, "DIGEST_INVALID"),
        ("GET", "/v2/library/iris/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/library/iris/manifests/v1", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/library/iris/nonsense", 405, "UNSUPPORTED"),
        ("POST", "/v2/library/iris/blobs/uploads/?digest=x", 400, "DIGEST_INVALID"),
    ],
)
async def test_an_error_has_the_code_of_the_specification(
    registry: OciClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await registry.request(method, path)
    assert (answer.status, answer.code) == (status, code)
