"""copy, attach, discover: on registries with and without the referrers API."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ormb.client import OrmbClient
from ormb.errors import NotFoundError, UnsupportedArtifactError
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


async def test_what_is_attached_is_discovered_and_the_model_stays_the_same(
    oci_host: str, client: OrmbClient, tmp_path: Path
) -> None:
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    (tmp_path / "report.html").write_text("<p>good</p>")
    digests = [
        await client.attach(reference(oci_host), [tmp_path / "report.html"], kind, {"org.example.by": "Ada"})
        for kind in (REPORT, "application/vnd.example.other", REPORT)
    ]
    assert digests[0] == digests[2]
    found = await client.discover(reference(oci_host))
    assert {one.digest for one in found} == set(digests)
    [report] = await client.discover(reference(oci_host), REPORT)
    assert (report.digest, report.annotations["org.example.by"]) == (digests[0], "Ada")
    assert (await client.inspect(reference(oci_host))).digest == pushed.digest
    manifest, _ = await client._registry.get_manifest(reference(oci_host).at(digests[0]))
    assert json.loads(manifest)["subject"]["digest"] == pushed.digest


async def test_the_one_file_of_an_artifact_is_fetched(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
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


async def test_nothing_refers_to_a_fresh_model(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
    await client.push_directory(adder(tmp_path / "adder", 1), reference(oci_host))
    assert await client.discover(reference(oci_host)) == []


async def test_attaching_to_what_is_not_there_is_an_error(oci_host: str, client: OrmbClient, tmp_path: Path) -> None:
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


async def test_what_is_no_model_is_not_copied(oci_host: str, client: OrmbClient) -> None:
    async with aiohttp.ClientSession() as session:
        await OciClient(session, oci_host).push("library/adder", "v1", oci.artifact_of_nothing())
    with pytest.raises(UnsupportedArtifactError):
        await client.copy(reference(oci_host), reference(oci_host, "team/copy"))
