"""KitOps' kit: we read ModelKits and ModelPacks of every packing, and it unpacks our pushed models."""

from pathlib import Path

import pytest

from ormb.client import OrmbClient
from ormb.comparing import compare
from ormb.inspecting import inspect_directory
from ormb.modelfile import load_modelfile
from ormb.packing import pack
from ormb.reference import Reference
from support.other_tools import OtherTool
from support.small_models import adder

pytestmark = pytest.mark.timeout(1800)  # the first run builds
KITFILE = """
manifestVersion: 1.0.0
package: {name: adder, authors: [Ada]}
model: {name: adder, path: ./weights/model.onnx, framework: onnxruntime}
datasets: [{name: training, path: ./data/train.csv}]
code: [{path: ./src/train.py}]
docs: [{path: ./README.md}]
"""
COMPRESSIONS = ("none", "gzip", "gzip-fastest", "zstd")
PACKINGS = [(form, compression) for form in ("tar", "raw") for compression in COMPRESSIONS]
PACKINGS_OF_MODEL_PACK = [*(("tar", compression) for compression in COMPRESSIONS), ("raw", "none")]
"""Packings without compression, because the specification has no compressed files."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A kit whose model is in a subdirectory, with data, code and documentation."""
    model = adder(tmp_path / "adder", 1) / "model" / "model.onnx"
    files = {
        "Kitfile": KITFILE.encode(),
        "weights/model.onnx": model.read_bytes(),
        "data/train.csv": b"a,b\n1,2\n",
        "src/train.py": b"print(1)\n",
        "README.md": b"# adder\n",
    }
    for name, content in files.items():
        path = tmp_path / "kit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "kit"


def options(packing: tuple[str, str]) -> tuple[str, ...]:
    form, compression = packing
    return ("--layer-format", form, "--compression", compression)


def assert_exported(out: Path, kit: Path) -> None:
    """Check that the model is where the Kitfile says, and the rest beside it, byte for byte."""
    exported = {"model/model.onnx": "weights/model.onnx"}
    exported |= {f"extra/{name}": name for name in ("data/train.csv", "src/train.py", "README.md")}
    for name, original in exported.items():
        assert (out / name).read_bytes() == (kit / original).read_bytes()
    modelfile = load_modelfile((out / "ormbfile.yaml").read_text())
    assert (modelfile.format, modelfile.framework, modelfile.author) == ("ONNX", "onnxruntime", "Ada")
    signature = inspect_directory(out).signature
    assert signature is not None
    assert [tensor.name for tensor in signature.inputs] == ["x"]


@pytest.mark.parametrize("packing", PACKINGS)
async def test_a_modelkit_is_pulled_as_its_kitfile_describes(
    oci_host: str, client: OrmbClient, kit: OtherTool, directory: Path, tmp_path: Path, packing: tuple[str, str]
) -> None:
    reference = Reference(oci_host, "team/kit", "v1")
    await kit.run("pack", str(directory), "-t", str(reference), *options(packing))
    await kit.run("push", "--plain-http", str(reference))
    await client.pull_and_export(reference, tmp_path / "out")
    assert_exported(tmp_path / "out", directory)
    await client.pull(reference)
    await client.export(reference, tmp_path / "from-store")
    assert_exported(tmp_path / "from-store", directory)


@pytest.mark.parametrize("packing", PACKINGS_OF_MODEL_PACK)
async def test_a_model_pack_of_kit_is_pulled_as_its_kitfile_describes(
    oci_host: str, client: OrmbClient, kit: OtherTool, directory: Path, tmp_path: Path, packing: tuple[str, str]
) -> None:
    reference = Reference(oci_host, "team/kit", "v1")
    await kit.run("pack", str(directory), "-t", str(reference), "--use-model-pack", *options(packing))
    await kit.run("push", "--plain-http", str(reference))
    await client.pull_and_export(reference, tmp_path / "out")
    assert_exported(tmp_path / "out", directory)


async def test_files_of_a_modelkit_are_listed_and_compared_by_their_names(
    oci_host: str, client: OrmbClient, kit: OtherTool, directory: Path
) -> None:
    manifests = []
    for tag in ("v1", "v2"):
        reference = Reference(oci_host, "team/kit", tag)
        await kit.run("pack", str(directory), "-t", str(reference))
        await kit.run("push", "--plain-http", str(reference))
        manifests.append((await client.inspect(reference)).manifest)
        (directory / "weights" / "model.onnx").write_bytes(b"another")
    assert {layer.path for layer in manifests[0].layers} == {
        "weights/model.onnx",
        "data/train.csv",
        "src/train.py",
        "README.md",
    }
    assert [change.name for change in compare(*manifests)] == ["weights/model.onnx"]


async def test_kit_unpacks_our_pushed_models(oci_host: str, client: OrmbClient, kit: OtherTool, tmp_path: Path) -> None:
    reference = Reference(oci_host, "team/adder", "v1")
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), reference)
    await kit.run("unpack", "--plain-http", str(reference), "-d", str(tmp_path / "out"))
    assert pack(tmp_path / "out").digest == pushed.digest
