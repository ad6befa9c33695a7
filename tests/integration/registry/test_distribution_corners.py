"""The less common parts of the distribution API."""

import hashlib

import pytest

from support import oci_artifacts as oci
from support.oci_artifacts import OciClient

REPOSITORY = "library/iris"
CONTENT = bytes(range(256)) * 16
SHA512 = f"sha512:{hashlib.sha512(CONTENT).hexdigest()}"
MODEL = oci.model()
UPLOADS = f"/v2/{REPOSITORY}/blobs/uploads/"


async def test_chunks_may_form_a_sha512_blob(registry: OciClient) -> None:
    location = await registry.begin(REPOSITORY)
    for start in range(0, len(CONTENT), 1500):
        sent = await registry.request("PATCH", location, data=CONTENT[start : start + 1500])
        assert sent.status == 202
    done = await registry.request("PUT", location, params={"digest": SHA512})
    assert (done.status, done.headers["Docker-Content-Digest"]) == (201, SHA512)
    part = await registry.request("GET", f"/v2/{REPOSITORY}/blobs/{SHA512}", headers={"Range": "bytes=-16"})
    assert (part.status, part.body) == (206, CONTENT[-16:])


async def test_a_manifest_may_be_pushed_and_deleted_by_its_sha512(registry: OciClient) -> None:
    for blob in MODEL.blobs:
        await registry.push_blob(REPOSITORY, blob)
    digest = f"sha512:{hashlib.sha512(MODEL.manifest).hexdigest()}"
    assert (await registry.put_manifest(REPOSITORY, digest, MODEL)).headers["Docker-Content-Digest"] == digest
    path = f"/v2/{REPOSITORY}/manifests/{digest}"
    assert (await registry.request("GET", path)).body == MODEL.manifest
    assert (await registry.request("DELETE", path)).status == 202
    assert (await registry.request("GET", path)).code == "MANIFEST_UNKNOWN"


async def test_a_mount_without_a_source_starts_an_upload(registry: OciClient) -> None:
    await registry.push_blob("library/other", CONTENT)
    answer = await registry.request("POST", UPLOADS, params={"mount": oci.sha256(CONTENT)})
    assert (answer.status, answer.headers["Location"].startswith(UPLOADS)) == (202, True)
    assert (await registry.request("HEAD", f"/v2/{REPOSITORY}/blobs/{oci.sha256(CONTENT)}")).status == 404


async def test_a_mounted_blob_outlives_its_source(registry: OciClient) -> None:
    await registry.push_blob("library/other", CONTENT)
    digest = oci.sha256(CONTENT)
    await registry.request("POST", UPLOADS, params={"mount": digest, "from": "library/other"})
    assert (await registry.request("DELETE", f"/v2/library/other/blobs/{digest}")).status == 202
    assert (await registry.request("GET", f"/v2/{REPOSITORY}/blobs/{digest}")).body == CONTENT


async def test_an_upload_belongs_to_its_repository(registry: OciClient) -> None:
    location = (await registry.begin(REPOSITORY)).replace(REPOSITORY, "library/other")
    for method in ("GET", "PATCH", "DELETE"):
        answer = await registry.request(method, location)
        assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("content_range", ["x", "5-1", "-3"])
async def test_an_invalid_content_range_is_refused(registry: OciClient, content_range: str) -> None:
    location = await registry.begin(REPOSITORY)
    answer = await registry.request("PATCH", location, data=b"123", headers={"Content-Range": content_range})
    assert (answer.status, answer.code) == (400, "BLOB_UPLOAD_INVALID")


async def test_the_first_chunk_starts_at_zero(registry: OciClient) -> None:
    location = await registry.begin(REPOSITORY)
    answer = await registry.request("PATCH", location, data=b"123", headers={"Content-Range": "1-3"})
    assert (answer.status, answer.headers["Location"]) == (416, location)
    assert (await registry.request("GET", location)).headers["Range"] == "0-0"


async def test_a_tag_list_can_start_after_any_name_and_be_empty(registry: OciClient) -> None:
    for tag in ("a", "c"):
        await registry.push(REPOSITORY, tag, MODEL)
    path = f"/v2/{REPOSITORY}/tags/list"
    after = await registry.request("GET", path, params={"last": "b"})
    assert (after.json["tags"], "Link" in after.headers) == (["c"], False)
    none = await registry.request("GET", path, params={"n": "0"})
    assert (none.status, none.json["tags"], "Link" in none.headers) == (200, [], False)


async def test_referrers_are_not_filtered_by_default(registry: OciClient) -> None:
    await registry.push(REPOSITORY, "v1", MODEL)
    about = oci.referrer(MODEL, "text/x")
    await registry.push(REPOSITORY, about.digest, about)
    path = f"/v2/{REPOSITORY}/referrers/{MODEL.digest}"
    everything = await registry.request("GET", path)
    assert ("OCI-Filters-Applied" in everything.headers, len(everything.json["manifests"])) == (False, 1)
    other = await registry.request("GET", path, params={"artifactType": "text/y"})
    assert (other.headers["OCI-Filters-Applied"], other.json["manifests"]) == ("artifactType", [])
    wrong = await registry.request("GET", f"/v2/{REPOSITORY}/referrers/sha256:1")
    assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")


async def test_deleting_missing_content_is_an_error(registry: OciClient) -> None:
    await registry.push(REPOSITORY, "v1", MODEL)
    for reference in ("v2", f"sha256:{'0' * 64}"):
        answer = await registry.request("DELETE", f"/v2/{REPOSITORY}/manifests/{reference}")
        assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")
