"""The Go `ormb`, the predecessor of ours: both read each other's models and share a home."""

from pathlib import Path

import pytest

from ormb.client import OrmbClient
from ormb.packing import pack
from ormb.reference import Reference
from support.other_tools import OtherTool
from support.small_models import adder

pytestmark = pytest.mark.timeout(1800)  # the first run builds


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = adder(tmp_path / "adder", 1)
    (made / "ormbfile.yaml").write_text("format: ONNX\nauthor: Ada\n")
    return made


async def test_a_model_of_the_go_ormb_is_pulled(
    oci_host: str, client: OrmbClient, go_ormb: OtherTool, directory: Path, tmp_path: Path
) -> None:
    reference = Reference(oci_host, "team/adder", "v1")
    await go_ormb.run("save", str(directory), str(reference))
    await go_ormb.run("push", "--plain-http", str(reference))
    info = await client.pull_and_export(reference, tmp_path / "out")
    assert (info.format, info.manifest.modelfile and info.manifest.modelfile.author) == ("ONNX", "Ada")
    assert (tmp_path / "out" / "model" / "model.onnx").read_bytes() == (directory / "model/model.onnx").read_bytes()


async def test_the_go_ormb_exports_our_pushed_models_in_its_layout(
    oci_host: str, client: OrmbClient, go_ormb: OtherTool, directory: Path, tmp_path: Path
) -> None:
    reference = Reference(oci_host, "team/adder", "v1")
    await client.push_directory(directory, reference, layout="ormb")
    await go_ormb.run("pull", "--plain-http", str(reference))
    (tmp_path / "out").mkdir()
    await go_ormb.run("export", "-d", str(tmp_path / "out"), str(reference))
    assert pack(tmp_path / "out").layers[1].descriptor == pack(directory).layers[1].descriptor


async def test_ormb_and_the_go_ormb_list_their_own_models_in_a_shared_home(
    client: OrmbClient, go_ormb: OtherTool, directory: Path
) -> None:
    ours, theirs = (Reference("localhost:5000", "team/adder", tag) for tag in ("ours", "theirs"))
    await client.save(directory, ours)
    await go_ormb.run("save", str(directory), str(theirs))
    listed = await go_ormb.run("models")
    assert ("theirs" in listed, "ours" in listed) == (True, False)
    assert [model.reference for model in client.models()] == [ours]
