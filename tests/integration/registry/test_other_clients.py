"""skopeo, which does not know Klever, reads and writes artifacts of the registry."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from support import oci_artifacts as oci
from support.oci_artifacts import OciClient
from support.registry_service import Platform

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed here")

MODEL = oci.model()


async def skopeo(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "skopeo", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out


async def test_skopeo_copies_a_model_out_and_in_again(registry: OciClient, world: Platform, tmp_path: Path) -> None:
    await registry.push("library/iris", "v1", MODEL)
    registry_url = f"docker://{registry.address}/library"
    await skopeo("copy", "--src-tls-verify=false", f"{registry_url}/iris:v1", f"oci:{tmp_path}/out:v1")
    await skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path}/out:v1", f"{registry_url}/copy:v2")
    answer = await registry.request("GET", "/v2/library/copy/manifests/v2")
    assert answer.body == MODEL.manifest
    await world.settled("library/copy:v2", MODEL.digest)


async def test_skopeo_reads_the_directory_of_a_repository(registry: OciClient, tmp_path: Path) -> None:
    await registry.push("library/iris", "v1", MODEL)
    layout = tmp_path / "repositories" / "library" / "iris" / "_oci"
    assert await skopeo("inspect", "--raw", f"oci:{layout}:v1") == MODEL.manifest
    await skopeo("copy", f"oci:{layout}:v1", f"dir:{tmp_path}/copy")
    assert json.loads((tmp_path / "copy" / "manifest.json").read_bytes()) == json.loads(MODEL.manifest)
