"""`ormb-storage-initializer`, as an init container calls it."""

import asyncio
import sys
from pathlib import Path

import pytest

from ormb.client import OrmbClient
from ormb.reference import Reference
from support.registry_service import running_registry
from support.small_models import adder


async def initialize(*arguments: str) -> tuple[int, str]:
    """Exit code, and what it said."""
    command = (sys.executable, "-m", "ormb.cli.initializer", "pull-and-export", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def files(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


async def test_a_volume_is_filled_once_updated_in_place_and_other_files_stay(nats_url: str, tmp_path: Path) -> None:
    volume = tmp_path / "adder"
    (volume / "lost+found").mkdir(parents=True)
    (volume / "lost+found" / "mine").write_text("mine")
    async with running_registry(tmp_path, nats_url) as registry, OrmbClient(tmp_path / "ormb") as client:
        reference = Reference(registry.address, "library/adder", "v1")
        await client.push_directory(adder(tmp_path / "1", 1), reference)
        uri = f"oci://{reference}"
        code, said = await initialize(uri, str(volume))
        assert code == 0, said
        assert files(volume) == {
            "1/model.onnx",
            "config.pbtxt",
            "ormbfile.yaml",
            "lost+found/mine",
            ".ormb-initialized.json",
        }
        assert 'name: "adder"' in (volume / "config.pbtxt").read_text()

        assert "already" in (await initialize(uri, str(volume)))[1]
        await client.push_directory(adder(tmp_path / "2", 2), reference)
        code, said = await initialize(uri, str(volume))
        assert code == 0, said
        assert "already" not in said
        second = (tmp_path / "2" / "model" / "model.onnx").read_bytes()
        assert (volume / "1" / "model.onnx").read_bytes() == second

        code, _ = await initialize(uri, str(volume), "--no-relayout")
        assert code == 0
        assert files(volume) == {"model/model.onnx", "ormbfile.yaml", "lost+found/mine", ".ormb-initialized.json"}


@pytest.mark.parametrize("uri", ["library/adder:v1", "127.0.0.1:1/library/adder:v1"])
async def test_what_cannot_be_fetched_is_a_sentence_and_an_exit_code(tmp_path: Path, uri: str) -> None:
    code, said = await initialize(uri, str(tmp_path / "volume"))
    assert code != 0
    assert "Traceback" not in said
    assert "library/adder" in said or "127.0.0.1:1" in said
