"""Signatures of cosign, in either format, are copied with a model; its tags are not versions of a model."""

from pathlib import Path

import pytest

from ormb.client import OrmbClient
from ormb.reference import Reference
from support.bucket_contents import stored_in
from support.oci_registry import distribution
from support.other_tools import OtherTool
from support.registry_service import platform, running_registry
from support.small_models import adder

pytestmark = pytest.mark.timeout(1800)  # the first run builds
SIGN = ("sign", "-y", "--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false")
VERIFY = ("verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true", "--allow-http-registry")


@pytest.fixture
async def keys(cosign: OtherTool, tmp_path: Path) -> Path:
    """A directory with a key pair."""
    await cosign.run("generate-key-pair", cwd=tmp_path)
    return tmp_path


@pytest.mark.parametrize("bundle", ["true", "false"])
async def test_a_signature_is_verified_on_the_copy(
    oci_host: str, client: OrmbClient, cosign: OtherTool, keys: Path, bundle: str
) -> None:
    """As a bundle it is a referrer; in the older format it has a tag."""
    source = Reference(oci_host, "team/adder", "v1")
    await client.push_directory(adder(keys / "adder", 1), source)
    await cosign.run(*SIGN, f"--new-bundle-format={bundle}", "--allow-http-registry", str(source), cwd=keys)
    elsewhere = keys / "elsewhere"
    elsewhere.mkdir()
    with distribution(elsewhere) as other:
        for target in (Reference(other, "team/copy", "v1"), Reference(oci_host, "team/copy", "v1")):
            await client.copy(source, target)
            await cosign.run(*VERIFY, f"--new-bundle-format={bundle}", str(target), cwd=keys)


async def test_a_copy_by_cosign_is_one_version(
    nats_url: str, client: OrmbClient, cosign: OtherTool, keys: Path
) -> None:
    """It points a tag made of the digest at the model too, and another one at its signature."""
    async with (
        running_registry(keys / "data", nats_url, reconcile_seconds=600) as registry,
        platform(nats_url) as world,
    ):
        source, target = (Reference(registry.address, f"team/{name}", "v1") for name in ("adder", "copy"))
        pushed = await client.push_directory(adder(keys / "adder", 1), source)
        await cosign.run(*SIGN, "--new-bundle-format=false", "--allow-http-registry", str(source), cwd=keys)
        await cosign.run("copy", "--allow-http-registry", str(source), str(target), cwd=keys)
        await world.settled("team/copy:v1", pushed.digest)
        tags = (await registry.request("GET", "/v2/team/copy/tags/list")).json["tags"]
        assert pushed.digest.replace(":", "-") in tags
        await client.push_directory(keys / "adder", Reference(registry.address, "team/copy", "v2"))
        await world.settled("team/copy:v2", pushed.digest)
        versions = [str(stored.document.spec.ref) for stored in await stored_in(world.documents)]
        assert sorted(versions) == ["team/adder:v1", "team/copy:v1", "team/copy:v2"]
        assert await client.discover(target) == []
