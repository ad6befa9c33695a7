"""The contract of `ormb` with every registry that implements the OCI distribution specification."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ormb.client import OrmbClient
from ormb.errors import DigestMismatchError, NotFoundError, UnsupportedArtifactError
from ormb.exporting import is_exported
from ormb.packing import pack
from ormb.ports import Silent
from ormb.reference import Reference
from ormb.transfer import Transfer
from support import oci_artifacts as oci
from support.oci_artifacts import OciClient
from support.oci_registry import distribution
from support.small_models import adder


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[OrmbClient]:
    async with OrmbClient(tmp_path / "ormb") as opened:
        yield opened


class Counting(Silent):
    """Counts the bytes to transfer."""

    def __init__(self) -> None:
        self.total = 0

    def started(self, total: int) -> None:
        self.total = total


def damage(directory: Path, digest: str, *, lost: int = 0) -> int:
    """Overwrite a blob, with fewer bytes, in every registry below the directory. Return the number of copies."""
    copies = [*directory.rglob(digest.removeprefix("sha256:")), *directory.rglob(f"{digest[7:]}/data")]
    files = [path for path in copies if path.is_file()]
    for file in files:
        file.write_bytes(file.read_bytes()[:-lost] if lost else b"x" * file.stat().st_size)
    return len(files)


def reference(oci_host: str, tag: str = "v1") -> Reference:
    return Reference(oci_host, "library/adder", tag)


async def test_a_pulled_model_equals_the_pushed_one(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
    directory = adder(tmp_path / "adder", 1)
    saved = await client.save(directory, reference(oci_host))
    pushed = await client.push(reference(oci_host))
    assert pushed.digest == saved.digest == (await client.inspect(reference(oci_host))).digest
    async with OrmbClient(tmp_path / "another-machine") as other:
        await other.pull(reference(oci_host))
        await other.export(reference(oci_host), tmp_path / "copy")
    assert pack(tmp_path / "copy").digest == pushed.digest


async def test_push_and_pull_without_the_local_store_give_the_same_artifact(
    oci_host: str, client: OrmbClient, tmp_path: Path
) -> None:
    directory = adder(tmp_path / "adder", 1)
    pushed = await client.push_directory(directory, reference(oci_host))
    assert pushed.digest == pack(directory).digest
    exported = await client.pull_and_export(reference(oci_host), tmp_path / "copy")
    again = await client.pull_and_export(reference(oci_host), tmp_path / "copy")
    assert exported.digest == again.digest == pack(tmp_path / "copy").digest
    assert client.models() == []


async def test_blobs_in_the_local_store_are_not_fetched_again(
    oci_host: str, client: OrmbClient, tmp_path: Path
) -> None:
    await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    first, second = Counting(), Counting()
    await client.pull(reference(oci_host), first)
    await client.pull(reference(oci_host), second)
    assert first.total > 0
    assert second.total == 0


async def test_blobs_in_the_registry_are_not_sent_again(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
    packed = pack(adder(tmp_path / "adder", 1))
    contents = [*packed.layers, packed.config]
    transfer = Transfer(client._registry)
    assert await transfer.upload(reference(oci_host), contents, Silent()) == len(contents)
    assert await transfer.upload(reference(oci_host), contents, Silent()) == 0


async def test_a_digest_always_names_the_same_artifact(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
    first = await client.push_directory(adder(tmp_path / "1", 1), reference(oci_host))
    second = await client.push_directory(adder(tmp_path / "2", 2), reference(oci_host))
    assert (await client.inspect(reference(oci_host))).digest == second.digest
    assert (await client.inspect(reference(oci_host).at(first.digest))).digest == first.digest


async def test_a_missing_name_is_reported(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"library/adder:v1 is not in the registry"):
        await client.pull_and_export(reference(oci_host), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


async def test_a_container_image_is_not_treated_as_a_model(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        await OciClient(session, oci_host).push("library/adder", "v1", oci.image())
    with pytest.raises(UnsupportedArtifactError):
        await client.pull_and_export(reference(oci_host), tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


async def test_a_model_from_another_tool_is_exported_identically(
    oci_host: str, client: OrmbClient, tmp_path: Path
) -> None:
    document = json.loads(oci.model(b"12345").manifest)
    del document["annotations"]
    document["layers"][0]["annotations"]["org.cncf.model.filepath"] = "model.onnx"
    artifact = oci.Artifact(json.dumps(document).encode(), oci.model(b"12345").blobs)
    async with aiohttp.ClientSession() as session:
        await OciClient(session, oci_host).push("library/adder", "v1", artifact)
    await client.pull_and_export(reference(oci_host), tmp_path / "copy")
    assert (tmp_path / "copy" / "model" / "model.onnx").read_bytes() == b"12345"
    assert (tmp_path / "copy" / "ormbfile.yaml").exists()


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed here")
async def test_skopeo_carries_a_model_from_one_registry_to_another(
    oci_host: str, client: OrmbClient, tmp_path: Path
) -> None:
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    (tmp_path / "second").mkdir()
    command = ("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false")
    with distribution(tmp_path / "second") as other:
        names = [f"docker://{reference(at)}" for at in (oci_host, other)]
        process = await asyncio.create_subprocess_exec(*command, *names)
        assert await process.wait() == 0
        await client.pull_and_export(reference(other), tmp_path / "copy")
        assert pack(tmp_path / "copy").digest == pushed.digest
        assert (await client.inspect(reference(other))).digest == pushed.digest
        back = Reference(oci_host, "library/back", "v1")
        process = await asyncio.create_subprocess_exec(*command, names[1], f"docker://{back}")
        assert await process.wait() == 0
    assert (await client.inspect(back)).digest == pushed.digest


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed here")
async def test_skopeo_carries_a_model_from_one_repository_to_another(
    oci_host: str, client: OrmbClient, tmp_path: Path
) -> None:
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    registry = f"docker://{oci_host}/library"
    command = ("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false")
    process = await asyncio.create_subprocess_exec(*command, f"{registry}/adder:v1", f"{registry}/copy:v1")
    assert await process.wait() == 0
    assert (await client.inspect(Reference(oci_host, "library/copy", "v1"))).digest == pushed.digest


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_damaged_download_leaves_nothing(oci_host: str, client: OrmbClient, tmp_path: Path, lost: int) -> None:
    """As from a registry with a broken disk: other bytes, or too few."""
    await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    if not damage(tmp_path, pack(tmp_path / "adder").layers[1].descriptor.digest, lost=lost):
        pytest.skip("the registry's disk cannot be reached: it runs in a container")
    with pytest.raises(DigestMismatchError):
        await client.pull_and_export(reference(oci_host), tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == []


async def test_a_model_pulled_by_the_digest_of_an_index_is_exported_once(
    oci_host: str, client: OrmbClient, tmp_path: Path
) -> None:
    """The catalogue has that digest, and a server checks with it whether the model exists."""
    model = oci.model()
    index = oci.index(model)
    async with aiohttp.ClientSession() as session:
        registry = OciClient(session, oci_host)
        await registry.push("library/adder", model.digest, model)
        await registry.push("library/adder", "v1", index)
    await client.pull_and_export(reference(oci_host).at(index.digest), tmp_path / "out")
    assert is_exported(tmp_path / "out", index.digest)
    before = (tmp_path / "out" / "ormbfile.yaml").stat().st_ino
    await client.pull_and_export(reference(oci_host).at(index.digest), tmp_path / "out")
    assert (tmp_path / "out" / "ormbfile.yaml").stat().st_ino == before
