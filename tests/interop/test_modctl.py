"""modctl: we read ModelPacks in the names that it writes, and it pulls our pushed models."""

from pathlib import Path

import pytest

from ormb.client import OrmbClient
from ormb.inspecting import inspect_directory
from ormb.packing import pack
from ormb.reference import Reference
from support.other_tools import OtherTool
from support.small_models import adder

pytestmark = pytest.mark.timeout(1800)  # the first run builds
MODELFILE = "NAME adder\nARCH linear\nFORMAT onnx\nMODEL dir/model.onnx\nCONFIG dir/config.json\nDOC README.md\n"


@pytest.mark.parametrize("raw", ["true", "false"])
async def test_a_model_of_modctl_is_pulled_inspected_and_parsed(
    oci_host: str, client: OrmbClient, modctl: OtherTool, tmp_path: Path, raw: str
) -> None:
    model = (adder(tmp_path / "adder", 1) / "model" / "model.onnx").read_bytes()
    files = {"dir/model.onnx": model, "dir/config.json": b"{}", "README.md": b"read", "Modelfile": MODELFILE.encode()}
    for name, content in files.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    reference = Reference(oci_host, "team/modctl", "v1")
    await modctl.run("build", f"--raw={raw}", "-t", str(reference), "-f", "Modelfile", ".", cwd=tmp_path / "source")
    await modctl.run("push", "--plain-http", str(reference))
    info = await client.inspect(reference)
    assert {layer.path for layer in info.manifest.layers} == {"dir/model.onnx", "dir/config.json", "README.md"}
    assert info.format == "ONNX"
    await client.pull_and_export(reference, tmp_path / "out")
    exported = {name: (tmp_path / "out" / name).read_bytes() for name in ("model/model.onnx", "extra/README.md")}
    assert exported == {"model/model.onnx": model, "extra/README.md": b"read"}
    assert inspect_directory(tmp_path / "out").problem is None


async def test_modctl_pulls_our_pushed_models(
    oci_host: str, client: OrmbClient, modctl: OtherTool, tmp_path: Path
) -> None:
    reference = Reference(oci_host, "team/adder", "v1")
    pushed = await client.push_directory(adder(tmp_path / "adder", 1), reference)
    out = tmp_path / "out"
    await modctl.run(
        "pull", "--plain-http", "--extract-from-remote", "--extract-dir", str(out), str(reference), cwd=tmp_path
    )
    assert pack(out).digest == pushed.digest
