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
from klever.backup.oci import manifest_entries
from klever.backup.reading import Backup
from klever.backup.restoration import restore_into_home
from klever.backup.streams import save_streams
from klever.backup.transfer import Servers, create_from_servers, restore_into_servers
from klever.backup.verification import verified
from klever.backup.writing import new_archive
from klever.cli.startup import find_nats_server
from klever.platform.home import Home
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.provisioning import provision
from kleverproto.models import ModelDocument
from kleverproto.streams import MODELS_BUCKET
from ormb.mediatypes import OCI_INDEX, OCI_MANIFEST
from support.backup_files import CONFIG, INDEX, MANIFEST, WEIGHTS, BackupFile, blob, blob_name, contents, header, whole
from support.deployer import model_document
from support.nats_server import NatsServer
from support.oci_registry import distribution
from support.stopped_platform import DataDirectory, messages_in_home
from support.stored_messages import messages_of

ELSEWHERE = "registry.example.com"
SIGNATURE = blob(b"signature")
SIGNED = blob(
    json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.signature",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": CONFIG[0], "size": len(CONFIG[1])},
            "layers": [{"mediaType": "text/plain", "digest": SIGNATURE[0], "size": len(SIGNATURE[1])}],
            "subject": {"mediaType": OCI_MANIFEST, "digest": MANIFEST[0], "size": len(MANIFEST[1])},
        }
    ).encode()
)
"""A signature that is attached to the model."""


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
    signed = json.loads(INDEX)
    signed["manifests"] += [{"mediaType": OCI_MANIFEST, "digest": SIGNED[0], "size": len(SIGNED[1])}]
    members = whole() | streams | {blob_name(digest): content for digest, content in (SIGNATURE, SIGNED)}
    members["registry/repositories/library/iris/index.json"] = json.dumps(signed).encode()
    digests = [CONFIG[0], WEIGHTS[0], MANIFEST[0], SIGNATURE[0], SIGNED[0]]
    members["registry/repositories/library/iris/blobs.json"] = json.dumps(digests).encode()
    for name in ("index", "blobs"):
        members[f"registry/repositories/copies/iris/{name}.json"] = members[
            f"registry/repositories/library/iris/{name}.json"
        ]
    with verified(BackupFile.of(members).write(tmp_path / "backup")) as backup:
        yield backup


async def fetched(host: str, path: str, *, kind: str = OCI_MANIFEST) -> tuple[int, bytes]:
    headers = {"Accept": kind}
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}/v2/{path}", headers=headers) as response:
        return response.status, await response.read()


async def test_models_and_streams_are_restored_at_the_new_place(
    backup: Backup, own_nats: NatsServer, registry: str
) -> None:
    await restore_into_servers(backup, Servers(own_nats.url, None, URL(f"http://{registry}")))
    for name in ("library/iris", "copies/iris"):
        assert await fetched(registry, f"{name}/manifests/v1") == (200, MANIFEST[1])
        assert await fetched(registry, f"{name}/blobs/{WEIGHTS[0]}") == (200, WEIGHTS[1])
    status, index = await fetched(registry, f"library/iris/manifests/{MANIFEST[0].replace(':', '-')}", kind=OCI_INDEX)
    assert status == 200
    [listed] = json.loads(index)["manifests"]  # as the registry has no list of referrers
    assert (listed["digest"], listed["artifactType"]) == (SIGNED[0], "application/vnd.example.signature")
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


async def push(host: str, path: str, content: bytes, kind: str) -> None:
    url, headers = f"http://{host}/v2/{path}", {"Content-Type": kind}
    async with aiohttp.ClientSession() as session, session.put(url, data=content, headers=headers) as response:
        assert response.status == 201, await response.text()


async def push_blob(host: str, repository: str, digest: str, content: bytes) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(f"http://{host}/v2/{repository}/blobs/uploads/") as response:
            location = URL(f"http://{host}").join(URL(response.headers["Location"])).update_query(digest=digest)
        async with session.put(location, data=content) as response:
            assert response.status == 201


async def test_a_platform_elsewhere_is_saved_and_restored_into_a_home(
    source: Client, nats_url: str, oci_host: str, tmp_path: Path
) -> None:
    for digest, content in (CONFIG, WEIGHTS, SIGNATURE):
        await push_blob(oci_host, "library/iris", digest, content)
    await push(oci_host, "library/iris/manifests/v1", MANIFEST[1], OCI_MANIFEST)
    await push(oci_host, f"library/iris/manifests/{SIGNED[0]}", SIGNED[1], OCI_MANIFEST)
    if (await fetched(oci_host, f"library/iris/referrers/{MANIFEST[0]}"))[0] == 404:  # it lists referrers by tag
        listed = {"mediaType": OCI_MANIFEST, "digest": SIGNED[0], "size": len(SIGNED[1])}
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [listed]}
        tag = MANIFEST[0].replace(":", "-")
        await push(oci_host, f"library/iris/manifests/{tag}", json.dumps(index).encode(), OCI_INDEX)
    models = models_of(source)
    for document in (
        model_document("library/iris:v1", MANIFEST[0], oci_host),
        model_document("library/other:v1", MANIFEST[0], ELSEWHERE),
    ):
        known = await models.find(document.spec.ref.key)
        if known is None:  # Klever's registry has announced its own model
            await models.create(document.spec.ref.key, document)

    await create_from_servers(Servers(nats_url, None, URL(f"http://{oci_host}")), tmp_path / "backup")
    with verified(tmp_path / "backup") as backup:
        await restore_into_home(backup, Home(tmp_path / "home"), find_nats_server())
    layout = DataDirectory(tmp_path / "home" / "registry")
    entries = manifest_entries((layout.layout("library/iris") / "index.json").read_bytes())
    assert {(entry.digest, entry.tag) for entry in entries} == {(MANIFEST[0], "v1"), (SIGNED[0], None)}
    for digest, content in (CONFIG, WEIGHTS, MANIFEST, SIGNATURE, SIGNED):
        assert layout.blob(digest).read_bytes() == content
    restored = await messages_in_home(Home(tmp_path / "home"))
    assert restored[MODELS_BUCKET.stream] == await messages_of(source.jetstream(), MODELS_BUCKET.stream)


async def test_a_model_that_its_registry_lacks_is_named(
    source: Client, nats_url: str, registry: str, tmp_path: Path
) -> None:
    document = model_document("library/iris:v1", MANIFEST[0], registry)
    await models_of(source).create(document.spec.ref.key, document)
    with pytest.raises(BackupError, match="lacks a part of library/iris"):
        await create_from_servers(Servers(nats_url, None, URL(f"http://{registry}")), tmp_path / "backup")
    assert not exists(tmp_path / "backup")


def exists(path: Path) -> bool:
    return path.exists()
