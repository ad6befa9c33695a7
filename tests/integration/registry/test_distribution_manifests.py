"""Manifests, tags and referrers through the distribution API."""

import json
from collections.abc import AsyncIterator

import pytest

from support import oci_artifacts as oci
from support.oci_artifacts import OciClient

REPOSITORY = "library/iris"
MODEL = oci.model()


def manifest(reference: str) -> str:
    return f"/v2/{REPOSITORY}/manifests/{reference}"


async def test_a_manifest_is_read_by_tag_and_digest_with_its_own_type_and_bytes(registry: OciClient) -> None:
    pushed = await registry.push(REPOSITORY, "v1", MODEL)
    assert (pushed.headers["Docker-Content-Digest"], pushed.headers["Location"]) == (
        MODEL.digest,
        manifest(MODEL.digest),
    )
    for reference in ("v1", MODEL.digest):
        answer = await registry.request("GET", manifest(reference))
        assert (answer.status, answer.body) == (200, MODEL.manifest)
        assert answer.headers["Content-Type"] == oci.OCI_MANIFEST
        head = await registry.request("HEAD", manifest(reference))
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(MODEL.manifest)))
    answer = await registry.request("GET", manifest("v2"))
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


async def test_a_repository_without_a_project_is_in_library(registry: OciClient) -> None:
    await registry.push("iris", "v1", MODEL)
    assert (await registry.request("GET", manifest("v1"))).body == MODEL.manifest


async def test_a_manifest_whose_parts_are_missing_is_refused(registry: OciClient) -> None:
    for artifact in (MODEL, oci.index(MODEL)):
        answer = await registry.put_manifest(REPOSITORY, "v1", artifact)
        assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert (await registry.request("GET", manifest("v1"))).status == 404


async def test_a_manifest_with_another_digest_is_refused(registry: OciClient) -> None:
    await registry.push(REPOSITORY, "v1", MODEL)
    answer = await registry.put_manifest(REPOSITORY, f"sha256:{'0' * 64}", MODEL)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


async def test_a_broken_or_too_large_manifest_is_refused(registry: OciClient) -> None:
    headers = {"Content-Type": oci.OCI_MANIFEST}
    answer = await registry.request("PUT", manifest("v1"), data=b"{", headers=headers)
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")

    async def body() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield b" " * (1 << 16)

    answer = await registry.request("PUT", manifest("v1"), data=body(), headers=headers)
    assert (answer.status, answer.code) == (413, "SIZE_INVALID")


async def test_an_index_is_stored_after_its_children(registry: OciClient) -> None:
    await registry.push(REPOSITORY, MODEL.digest, MODEL)
    index = oci.index(MODEL)
    await registry.push(REPOSITORY, "all", index)
    answer = await registry.request("GET", manifest("all"))
    assert (answer.body, answer.headers["Content-Type"]) == (index.manifest, oci.OCI_INDEX)


async def test_tags_are_sorted_and_paged(registry: OciClient) -> None:
    for tag in ("c", "a", "b"):
        await registry.push("iris", tag, MODEL)
    answer = await registry.request("GET", "/v2/iris/tags/list")
    assert answer.json == {"name": "iris", "tags": ["a", "b", "c"]}
    page = await registry.request("GET", "/v2/iris/tags/list?n=2")
    assert page.json["tags"] == ["a", "b"]
    following = page.headers["Link"].partition("<")[2].partition(">")[0]
    assert (await registry.request("GET", following)).json["tags"] == ["c"]
    assert (await registry.request("GET", "/v2/iris/tags/list?n=x")).status == 400


async def test_repositories_are_sorted_and_paged(registry: OciClient) -> None:
    assert (await registry.request("GET", "/v2/_catalog")).json == {"repositories": []}
    for repository in ("team/c", "team/a", "library/b"):
        await registry.push(repository, "v1", MODEL)
    answer = await registry.request("GET", "/v2/_catalog")
    assert answer.json == {"repositories": ["library/b", "team/a", "team/c"]}
    page = await registry.request("GET", "/v2/_catalog?n=2")
    assert page.json["repositories"] == ["library/b", "team/a"]
    following = page.headers["Link"].partition("<")[2].partition(">")[0]
    last = await registry.request("GET", following)
    assert (last.json["repositories"], "Link" in last.headers) == (["team/c"], False)
    assert (await registry.request("GET", "/v2/_catalog?n=x")).status == 400


async def test_a_blob_that_a_manifest_needs_is_not_deleted(registry: OciClient) -> None:
    await registry.push(REPOSITORY, "v1", MODEL)
    path = f"/v2/{REPOSITORY}/blobs/{oci.sha256(MODEL.blobs[1])}"
    refused = await registry.request("DELETE", path)
    assert (refused.status, refused.code) == (405, "UNSUPPORTED")
    assert MODEL.digest in refused.json["errors"][0]["message"]
    assert (await registry.request("GET", path)).body == MODEL.blobs[1]


async def test_deleting_a_tag_keeps_the_manifest_and_deleting_the_manifest_keeps_nothing(registry: OciClient) -> None:
    for tag in ("v1", "v2"):
        await registry.push(REPOSITORY, tag, MODEL)
    assert (await registry.request("DELETE", manifest("v1"))).status == 202
    assert (await registry.request("GET", manifest("v1"))).code == "MANIFEST_UNKNOWN"
    assert (await registry.request("GET", manifest(MODEL.digest))).status == 200
    as_blob = await registry.request("DELETE", f"/v2/{REPOSITORY}/blobs/{MODEL.digest}")
    assert (as_blob.status, as_blob.code) == (405, "UNSUPPORTED")
    assert (await registry.request("DELETE", manifest(MODEL.digest))).status == 202
    for reference in ("v2", MODEL.digest):
        assert (await registry.request("GET", manifest(reference))).status == 404


async def test_referrers_are_listed_with_their_annotations_and_filtered_by_type(registry: OciClient) -> None:
    await registry.push(REPOSITORY, "v1", MODEL)
    text, sbom = oci.referrer(MODEL, "text/x"), oci.referrer(MODEL, "text/sbom", b"sbom")
    for about in (text, sbom):
        pushed = await registry.push(REPOSITORY, about.digest, about)
        assert pushed.headers["OCI-Subject"] == MODEL.digest
    path = f"/v2/{REPOSITORY}/referrers/{MODEL.digest}"
    answer = await registry.request("GET", path)
    assert answer.headers["Content-Type"].startswith(oci.OCI_INDEX)
    assert [each["digest"] for each in answer.json["manifests"]] == [text.digest, sbom.digest]
    filtered = await registry.request("GET", path, params={"artifactType": "text/sbom"})
    assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    expected = oci.descriptor(sbom.manifest, oci.OCI_MANIFEST, artifactType="text/sbom")
    assert filtered.json["manifests"] == [expected]


async def test_referrers_are_paged_with_a_link_to_the_next_page(registry: OciClient) -> None:
    await registry.push(REPOSITORY, "v1", MODEL)
    sboms = [oci.referrer(MODEL, "text/sbom", f"sbom {number}".encode()) for number in range(5)]
    for about in (oci.referrer(MODEL, "text/x"), *sboms):
        await registry.push(REPOSITORY, about.digest, about)
    path = f"/v2/{REPOSITORY}/referrers/{MODEL.digest}?artifactType=text/sbom&n=2"
    pages = []
    while path:
        answer = await registry.request("GET", path)
        pages.append([each["digest"] for each in answer.json["manifests"]])
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    digests = [about.digest for about in sboms]
    assert pages == [digests[:2], digests[2:4], digests[4:]]


async def test_an_unknown_page_of_referrers_is_refused(registry: OciClient) -> None:
    await registry.push(REPOSITORY, "v1", MODEL)
    path = f"/v2/{REPOSITORY}/referrers/{MODEL.digest}"
    answer = await registry.request("GET", path, params={"last": MODEL.digest})
    assert answer.status == 400
    assert (await registry.request("GET", path, params={"n": "0"})).json["manifests"] == []


async def test_a_manifest_without_referrers_has_an_empty_list(registry: OciClient) -> None:
    answer = await registry.request("GET", f"/v2/never/pushed/referrers/{MODEL.digest}")
    assert (answer.status, answer.json["manifests"]) == (200, [])


@pytest.mark.parametrize("content_type", ["text/plain", oci.OCI_INDEX])
async def test_a_manifest_of_another_type_than_declared_is_refused(registry: OciClient, content_type: str) -> None:
    answer = await registry.request("PUT", manifest("v1"), data=MODEL.manifest, headers={"Content-Type": content_type})
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert json.loads(answer.body)["errors"][0]["message"]
