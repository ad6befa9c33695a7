"""Models of other tools become endpoints like ours: in the catalogue with their format, parsed, deployed."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from kleverproto.accounts import PLATFORM_ACCOUNT
from kleverproto.serving_changes import DeployVersion
from support import foreign_artifacts as foreign
from support.foreign_artifacts import Entry, Layer
from support.oci_artifacts import OCI_MANIFEST, OciClient
from support.other_tools import OtherTool
from support.small_models import adder
from support.whole_platform import Platform, running_platform

pytestmark = pytest.mark.timeout(1800)  # the first run builds
KITFILE = "manifestVersion: 1.0.0\nmodel: {path: ./weights/m.onnx, framework: onnx}\ndocs: [{path: ./README.md}]\n"
MODELFILE = "NAME adder\nARCH linear\nMODEL dir/m.onnx\nDOC README.md\n"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Platform]:
    home = tmp_path / "home"
    home.mkdir()
    async with running_platform(home) as platform:
        yield platform


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The input of both tools: a model in a subdirectory, which adds one."""
    model = (adder(tmp_path / "adder", 1) / "model" / "model.onnx").read_bytes()
    made = tmp_path / "source"
    for name in ("weights/m.onnx", "dir/m.onnx"):
        (made / name).parent.mkdir(parents=True)
        (made / name).write_bytes(model)
    for name, text in (("Kitfile", KITFILE), ("Modelfile", MODELFILE), ("README.md", "# adder")):
        (made / name).write_text(text)
    return made


async def push_image(platform: Platform, model: bytes) -> None:
    """A container image with a model under /models."""
    layer = Layer("application/vnd.oci.image.layer.v1.tar", foreign.packed("tar", Entry("models/m.onnx", model)))
    image = foreign.artifact("application/vnd.oci.image.config.v1+json", {"architecture": "amd64"}, layer)
    async with aiohttp.ClientSession(headers=platform.registry_login) as session:
        await OciClient(session, platform.registry_host).push("library/image", "v1", image, media_type=OCI_MANIFEST)


async def test_models_pushed_by_other_tools_are_listed_with_their_format_and_answer(
    running: Platform, kit: OtherTool, modctl: OtherTool, directory: Path
) -> None:
    host = running.registry_host
    login = ("-u", PLATFORM_ACCOUNT, "-p", running.registry_password)
    await kit.run("login", host, "--plain-http", *login)
    await modctl.run("login", "--plain-http", "--password-stdin=false", *login, host)
    packing = ("--layer-format", "raw", "--compression", "gzip")
    await kit.run("pack", str(directory), "-t", f"{host}/library/kit:v1", *packing)
    await kit.run("push", "--plain-http", f"{host}/library/kit:v1")
    await modctl.run("build", "-t", f"{host}/library/modctl:v1", "-f", "Modelfile", ".", cwd=directory)
    await modctl.run("push", "--plain-http", f"{host}/library/modctl:v1")
    await push_image(running, (directory / "dir" / "m.onnx").read_bytes())
    names = ("kit", "modctl", "image")
    async with running.client() as client:
        for name in names:
            document = await running.parsed(f"library/{name}:v1")
            assert document.format == "ONNX"
            assert document.status.signature is not None
            assert [tensor.name for tensor in document.status.signature.inputs] == ["x"]
        assert {version.spec.ref.model for version in await client.models(format="ONNX")} == set(names)
        for name in names:
            wanted = await client.deploy_version(name, DeployVersion(model=f"library/{name}:v1"))
            served = await client.wait_for_ready(name, wanted.generation, within=120)
            x = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}
            answer = await client.infer(served.status.url or "", {"inputs": [x]})
            assert answer["outputs"][0]["data"] == [2.0]
