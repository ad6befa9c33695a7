"""Denials of a tag by a registry: one suite for the embedded registry and for others, with any answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from klever_registry.adapters.local import Layout, LocalBlobs, LocalManifests
from klever_registry.adapters.remote import RemoteConnection, RemoteManifests
from klever_registry.domain.manifests import parse_manifest
from klever_registry.ports import ManifestSource
from klever_registry.service.embedded import Embedded
from kleverkit.errors import KleverError
from support import oci_artifacts as oci

MODEL = oci.model()
MANIFEST = parse_manifest(MODEL.manifest, MODEL.digest)
REPOSITORY = "library/iris"


class Answers:
    """A registry that holds v1 and once held v2; a test can set the status of each endpoint."""

    def __init__(self) -> None:
        self.api, self.manifests, self.tags = 200, 404, 200

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/v2/":
            return web.Response(status=self.api)
        if request.path.endswith("/tags/list"):
            return web.json_response({"tags": ["v1"]}, status=self.tags)
        if request.path.endswith("/manifests/v1"):
            headers = {"Docker-Content-Digest": MODEL.digest, "Content-Type": oci.OCI_MANIFEST}
            return web.Response(body=MODEL.manifest, headers=headers)
        if "/blobs/" in request.path:
            named = [blob for blob in MODEL.blobs if request.path.endswith(oci.sha256(blob))]
            return web.Response(body=named[0]) if named else web.Response(status=404)
        return web.Response(status=self.manifests)


@asynccontextmanager
async def remote(answers: Answers, home: Path) -> AsyncIterator[RemoteManifests]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answers.handle)
    async with TestServer(app) as server:
        connection = RemoteConnection(home)
        opened = connection.opened(app)
        await anext(opened)
        yield RemoteManifests(connection, f"127.0.0.1:{server.port}")
        await anext(opened, None)


@pytest.fixture(params=["embedded", "remote"])
async def registry(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ManifestSource]:
    if request.param == "remote":
        async with remote(Answers(), tmp_path) as source:
            yield source
        return
    layout = Layout(tmp_path)
    manifests = LocalManifests(layout)
    for tag in ("v1", "v2"):
        await manifests.put(REPOSITORY, MANIFEST, tag)
    await manifests.delete_tag(REPOSITORY, "v2")
    blobs = LocalBlobs(layout)
    for blob in MODEL.blobs:
        await blobs.put(REPOSITORY, oci.sha256(blob), blob)
    yield Embedded(manifests, blobs)


async def test_only_a_deleted_tag_is_denied(registry: ManifestSource) -> None:
    assert not await registry.is_deleted(REPOSITORY, "v1")
    assert await registry.is_deleted(REPOSITORY, "v2")
    assert await registry.get(REPOSITORY, "v1") == MANIFEST
    assert await registry.get(REPOSITORY, "v2") is None


async def test_the_start_of_a_blob_and_a_whole_config_are_read(registry: ManifestSource) -> None:
    config, weights = MODEL.blobs
    assert await registry.start_of_blob(REPOSITORY, oci.sha256(weights), 4) == weights[:4]
    assert await registry.start_of_blob(REPOSITORY, oci.sha256(weights), 1000) == weights
    assert await registry.start_of_blob(REPOSITORY, oci.sha256(b"gone"), 4) == b""
    assert await registry.config(REPOSITORY, oci.sha256(config), len(config)) == config
    assert await registry.config(REPOSITORY, oci.sha256(config), len(config) - 1) is None
    assert await registry.config(REPOSITORY, oci.sha256(b"gone"), 4) is None


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_another_registry_that_refuses_or_fails_denies_nothing(tmp_path: Path, status: int) -> None:
    answers = Answers()
    answers.manifests = status
    async with remote(answers, tmp_path) as source:
        with pytest.raises(KleverError):
            await source.is_deleted(REPOSITORY, "v2")


@pytest.mark.parametrize("status", [401, 404, 502])
async def test_a_host_that_does_not_answer_as_a_registry_denies_nothing(tmp_path: Path, status: int) -> None:
    answers = Answers()
    answers.api = status
    async with remote(answers, tmp_path) as source:
        with pytest.raises(KleverError):
            await source.is_deleted(REPOSITORY, "v2")


async def test_a_tag_of_an_unreadable_manifest_exists(tmp_path: Path) -> None:
    answers = Answers()
    answers.manifests = 200
    async with remote(answers, tmp_path) as source:
        assert await source.get(REPOSITORY, "v2") is None
        assert not await source.is_deleted(REPOSITORY, "v2")


@pytest.mark.parametrize(("status", "has"), [(200, True), (404, False)])
async def test_a_repository_exists_if_its_tags_can_be_listed(tmp_path: Path, status: int, *, has: bool) -> None:
    answers = Answers()
    answers.tags = status
    async with remote(answers, tmp_path) as source:
        assert await source.has(REPOSITORY) is has


async def test_an_embedded_registry_without_the_repository_denies_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    embedded = Embedded(LocalManifests(layout), LocalBlobs(layout))
    assert not await embedded.is_deleted(REPOSITORY, "v1")
