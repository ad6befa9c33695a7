"""copy, attach, discover: on registries with and without the referrers API."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ormb.client import OrmbClient
from ormb.errors import NotFoundError, RegistryError, UnsupportedArtifactError
from ormb.info import ModelInfo
from ormb.packing import pack
from ormb.reference import Reference
from support import oci_artifacts as oci
from support.oci_artifacts import OciClient
from support.oci_registry import distribution
from support.small_models import adder

REPORT = "application/vnd.example.report"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[OrmbClient]:
    async with OrmbClient(tmp_path / "ormb") as opened:
        yield opened


def reference(oci_host: str, repository: str = "library/adder") -> Reference:
    return Reference(oci_host, repository, "v1")


async def test_an_attachment_is_discovered_and_the_model_stays_the_same(
    oci_host: str, client: OrmbClient, tmp_path: Path
) -> None:
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    (tmp_path / "report.html").write_text("<p>good</p>")
    digests = [
        await client.attach(reference(oci_host), [tmp_path / "report.html"], kind, {"org.example.by": "Ada"})
        for kind in (REPORT, "application/vnd.example.other", REPORT)
    ]
    assert digests[0] == digests[2]
    referrers = await client.discover(reference(oci_host))
    assert {one.digest for one in referrers} == set(digests)
    [report] = await client.discover(reference(oci_host), REPORT)
    assert (report.digest, report.annotations["org.example.by"]) == (digests[0], "Ada")
    assert (await client.inspect(reference(oci_host))).digest == pushed.digest
    manifest, _ = await client._registry.get_manifest(reference(oci_host).at(digests[0]))
    assert json.loads(manifest)["subject"]["digest"] == pushed.digest


async def test_the_only_file_of_an_artifact_is_fetched(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
    await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    (tmp_path / "rows.npz").write_bytes(b"rows" * 1000)
    attached = reference(oci_host).at(await client.attach(reference(oci_host), [tmp_path / "rows.npz"], REPORT, {}))
    await client.referrers.fetch(attached, REPORT, tmp_path / "fetched", limit=4000)
    assert (tmp_path / "fetched").read_bytes() == b"rows" * 1000
    with pytest.raises(UnsupportedArtifactError, match="has 4000 bytes, more than 3999"):
        await client.referrers.fetch(attached, REPORT, tmp_path / "other", limit=3999)
    with pytest.raises(UnsupportedArtifactError, match=f"of the type {REPORT}, not application/x"):
        await client.referrers.fetch(attached, "application/x", tmp_path / "other", limit=4000)
    assert not (tmp_path / "other").exists()


async def test_an_artifact_under_the_referrers_tag_is_not_read_as_a_list(
    oci_host: str, client: OrmbClient, tmp_path: Path
) -> None:
    """`cosign copy` points the tag at the copied artifact."""
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    manifest, _ = await client._registry.get_manifest(reference(oci_host))
    tagged = reference(oci_host).tagged(pushed.digest.replace(":", "-"))
    await client._registry.put_manifest(tagged, manifest, oci.OCI_MANIFEST)
    assert await client.discover(reference(oci_host)) == []
    (tmp_path / "report.html").write_text("<p>good</p>")
    report = await client.attach(reference(oci_host), [tmp_path / "report.html"], REPORT, {})
    assert [one.digest for one in await client.discover(reference(oci_host))] == [report]


async def test_a_new_model_has_no_referrers(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
    await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    assert await client.discover(reference(oci_host)) == []


async def test_attaching_to_a_missing_model_is_an_error(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("x")
    with pytest.raises(NotFoundError):
        await client.attach(reference(oci_host), [tmp_path / "report.html"], REPORT, {})


async def test_a_model_is_copied_within_a_registry(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    copied = await client.copy(reference(oci_host), reference(oci_host, "team/copy"))
    assert copied.digest == pushed.digest
    await client.pull_and_export(reference(oci_host, "team/copy"), tmp_path / "out")
    assert pack(tmp_path / "out").digest == pushed.digest


async def test_a_model_is_copied_from_one_registry_to_another(
    oci_host: str, client: OrmbClient, tmp_path: Path
) -> None:
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with distribution(elsewhere) as other:
        copied = await client.copy(reference(oci_host), reference(other))
        again = await client.copy(reference(oci_host), reference(other))
        assert copied.digest == again.digest == pushed.digest
        await client.pull_and_export(reference(other), tmp_path / "out")
    assert pack(tmp_path / "out").digest == pushed.digest
    assert client.models() == []


@pytest.fixture
async def signed(oci_host: str, client: OrmbClient, tmp_path: Path) -> ModelInfo:
    """A model with a report about it and a report about that, and two signatures under a tag of cosign."""
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    (tmp_path / "report.html").write_text("<p>good</p>")
    report = await client.attach(reference(oci_host), [tmp_path / "report.html"], REPORT, {"by": "Ada"})
    await client.attach(reference(oci_host).at(report), [tmp_path / "report.html"], REPORT, {"by": "Bob"})
    await sign(oci_host, pushed.digest, b"one", b"two")
    return pushed


async def sign(oci_host: str, digest: str, *signatures: bytes) -> None:
    artifact = oci.artifact_of(*signatures)
    async with aiohttp.ClientSession() as session:
        await OciClient(session, oci_host).push("library/adder", f"{digest.replace(':', '-')}.sig", artifact)


async def copied_about(client: OrmbClient, copy: Reference) -> list[str]:
    """The referrers of a copy by their authors, and theirs; and `signed` if the tag of cosign exists."""
    about = await client.discover(copy)
    about += [deeper for one in about for deeper in await client.discover(copy.at(one.digest))]
    digest = (await client.inspect(copy)).digest
    try:
        await client._registry.get_manifest(copy.tagged(f"{digest.replace(':', '-')}.sig"))
    except NotFoundError:
        return [one.annotations["by"] for one in about]
    return [*(one.annotations["by"] for one in about), "signed"]


async def test_referrers_are_copied_with_a_model(oci_host: str, client: OrmbClient, signed: ModelInfo) -> None:
    copy = reference(oci_host, "team/copy")
    for _ in range(2):
        assert (await client.copy(reference(oci_host), copy)).digest == signed.digest
        assert await copied_about(client, copy) == ["Ada", "Bob", "signed"]


@pytest.mark.usefixtures("signed")
async def test_referrers_are_omitted_on_request(oci_host: str, client: OrmbClient) -> None:
    copy = reference(oci_host, "team/copy")
    await client.copy(reference(oci_host), copy, with_referrers=False)
    assert await copied_about(client, copy) == []


async def test_a_model_is_copied_to_a_registry_of_another_kind(
    oci_host: str, client: OrmbClient, signed: ModelInfo, tmp_path: Path
) -> None:
    """From and to registries with and without the referrers API."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with distribution(elsewhere) as other:
        await client.copy(reference(oci_host), reference(other))
        assert await copied_about(client, reference(other)) == ["Ada", "Bob", "signed"]
        back = reference(oci_host, "team/back")
        assert (await client.copy(reference(other), back)).digest == signed.digest
    assert await copied_about(client, back) == ["Ada", "Bob", "signed"]


async def test_no_signature_of_the_target_is_overwritten(
    oci_host: str, client: OrmbClient, signed: ModelInfo, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with distribution(elsewhere) as other:
        await client.copy(reference(oci_host), reference(other))
        await sign(other, signed.digest, b"one", b"of the target")
        with pytest.raises(RegistryError, match="--no-referrers"):
            await client.copy(reference(oci_host), reference(other))
        await sign(other, signed.digest, b"one")
        await client.copy(reference(oci_host), reference(other))
        assert "signed" in await copied_about(client, reference(other))


async def test_a_list_that_names_deleted_referrers_does_not_prevent_a_copy(
    oci_host: str, client: OrmbClient, signed: ModelInfo
) -> None:
    """The same holds for a list that names the model itself."""
    [report] = await client.discover(reference(oci_host))
    digests = (signed.digest, report.digest)
    entries = [{"mediaType": oci.OCI_MANIFEST, "digest": digest, "size": 1} for digest in digests]
    listed = json.dumps({"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": entries}).encode()
    await client._registry.put_manifest(
        reference(oci_host).tagged(signed.digest.replace(":", "-")), listed, oci.OCI_INDEX
    )
    async with aiohttp.ClientSession() as session:
        deleted = await OciClient(session, oci_host).request("DELETE", f"/v2/library/adder/manifests/{report.digest}")
    assert deleted.status == 202
    copy = reference(oci_host, "team/copy")
    assert (await client.copy(reference(oci_host), copy)).digest == signed.digest
    assert await copied_about(client, copy) == ["signed"]


async def test_an_artifact_that_is_not_a_model_is_not_copied(oci_host: str, client: OrmbClient) -> None:
    async with aiohttp.ClientSession() as session:
        await OciClient(session, oci_host).push("library/adder", "v1", oci.artifact_of_nothing())
    with pytest.raises(UnsupportedArtifactError):
        await client.copy(reference(oci_host), reference(oci_host, "team/copy"))
