"""A backup is restored into another NATS and another registry that are running."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import nats
import pytest
from nats.aio.client import Client
from yarl import URL

from klever.backup.errors import BackupError
from klever.backup.reading import Backup
from klever.backup.streams import save_streams
from klever.backup.transfer import Servers, restore_into_servers
from klever.backup.verification import verified
from klever.backup.writing import new_archive
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.provisioning import provision
from kleverproto.models import ModelDocument
from kleverproto.streams import MODELS_BUCKET
from support.backup_files import MANIFEST, WEIGHTS, BackupFile, contents, header, whole
from support.deployer import model_document
from support.nats_server import NatsServer
from support.oci_registry import distribution

ELSEWHERE = "registry.example.com"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "distribution").mkdir()
    with distribution(tmp_path / "distribution") as host:
        yield host


@pytest.fixture
async def source(nats_url: str) -> AsyncIterator[Client]:
    client = await nats.connect(nats_url)
    await provision(client.jetstream())
    yield client
    await client.close()


def models_of(client: Client) -> NatsDocuments[ModelDocument]:
    source = ClientSource()
    source.set(client)
    return NatsDocuments(source, MODELS_BUCKET, ModelDocument)


@pytest.fixture
async def backup(source: Client, tmp_path: Path) -> AsyncIterator[Backup]:
    """One model of the embedded registry in two repositories, and one of another registry."""
    models = models_of(source)
    for document in (
        model_document("library/iris:v1", MANIFEST[0], "127.0.0.1:5000"),
        model_document("library/other:v1", MANIFEST[0], ELSEWHERE),
    ):
        await models.create(document.spec.ref.key, document)
    with new_archive(tmp_path / "streams") as archive:
        archive.add("backup.json", header())
        await save_streams(source, archive)
    streams = {name: content for name, content in contents(tmp_path / "streams").items() if name.startswith("nats/")}
    members = whole() | streams
    for name in ("index", "blobs"):
        members[f"registry/repositories/copies/iris/{name}.json"] = members[
            f"registry/repositories/library/iris/{name}.json"
        ]
    with verified(BackupFile.of(members).write(tmp_path / "backup")) as backup:
        yield backup


async def fetched(host: str, path: str) -> tuple[int, bytes]:
    headers = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}/v2/{path}", headers=headers) as response:
        return response.status, await response.read()


async def test_models_and_streams_are_restored_at_the_new_place(
    backup: Backup, own_nats: NatsServer, registry: str
) -> None:
    await restore_into_servers(backup, Servers(own_nats.url, None, URL(f"http://{registry}")))
    for name in ("library/iris", "copies/iris"):
        assert await fetched(registry, f"{name}/manifests/v1") == (200, MANIFEST[1])
        assert await fetched(registry, f"{name}/blobs/{WEIGHTS[0]}") == (200, WEIGHTS[1])
    client = await nats.connect(own_nats.url)
    listing = await models_of(client).listing()
    await client.close()
    assert {str(each.document.spec.ref): each.document.spec.registry for each in listing.documents} == {
        "library/iris:v1": registry,
        "library/other:v1": ELSEWHERE,
    }


async def test_another_version_of_a_tag_is_not_replaced(backup: Backup, own_nats: NatsServer, registry: str) -> None:
    other = json.dumps(
        json.loads(MANIFEST[1]) | {"config": json.loads(MANIFEST[1])["layers"][0], "layers": []}
    ).encode()
    async with aiohttp.ClientSession() as session:
        digest, content = WEIGHTS
        async with session.post(f"http://{registry}/v2/library/iris/blobs/uploads/") as response:
            location = URL(response.headers["Location"]).update_query(digest=digest)
        async with session.put(location, data=content) as response:
            assert response.status == 201
        kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
        url = f"http://{registry}/v2/library/iris/manifests/v1"
        async with session.put(url, data=other, headers=kind) as response:
            assert response.status == 201, await response.text()
    with pytest.raises(BackupError, match="library/iris:v1 is another version than in the backup"):
        await restore_into_servers(backup, Servers(own_nats.url, None, URL(f"http://{registry}")))
    assert await fetched(registry, "library/iris/manifests/v1") == (200, other)
    client = await nats.connect(own_nats.url)
    assert await client.jetstream().streams_info() == []
    await client.close()


async def test_a_nats_with_streams_is_refused_before_models_are_pushed(
    backup: Backup, nats_url: str, registry: str
) -> None:
    with pytest.raises(BackupError, match="NATS is not empty"):
        await restore_into_servers(backup, Servers(nats_url, None, URL(f"http://{registry}")))
    assert (await fetched(registry, "library/iris/manifests/v1"))[0] == 404


async def test_servers_that_do_not_respond_are_named(backup: Backup, own_nats: NatsServer, registry: str) -> None:
    own_nats.stop()
    with pytest.raises(BackupError, match=f"NATS at {own_nats.url} cannot be reached"):
        await restore_into_servers(backup, Servers(own_nats.url, None, URL(f"http://{registry}")))
    own_nats.start()
    with pytest.raises(BackupError, match="not the URL of a registry"):
        await restore_into_servers(backup, Servers(own_nats.url, None, URL("registry:5000")))
