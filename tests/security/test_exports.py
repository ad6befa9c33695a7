"""An export writes `model/`, `ormbfile.yaml` and `extra/` only under unused names, whatever the artifact contains."""

import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest

from support import foreign_artifacts as foreign
from support.commands import Shell
from support.foreign_artifacts import Entry, Layer, Section
from support.oci_artifacts import Artifact
from support.processes import free_port
from support.registry_service import RegistryProcess, oci_client

MINE = {".ssh/authorized_keys": "mine", ".git/hooks/pre-commit": "mine", ".bashrc": "mine", "notes.txt": "mine"}
THEIRS = [Entry(name, b"theirs") for name in MINE]
MODEL = Entry("model/model.onnx", b"onnx")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path, f"nats://127.0.0.1:{free_port()}") as process:
        yield process


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    home = tmp_path / "home"
    home.mkdir()
    yield Shell(home, tmp_path)
    shutil.rmtree(home)


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    directory = tmp_path / "destination"
    for name, content in MINE.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    return directory


def files(directory: Path) -> dict[str, str]:
    paths = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    return {
        name: path.read_text() for name, path in paths.items() if name in MINE or name.startswith((".ssh", ".git/"))
    }


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def tops(paths: Iterable[str]) -> set[str]:
    return {path.partition("/")[0] for path in paths}


async def pulled(service: RegistryProcess, shell: Shell, artifact: Artifact) -> str:
    """Pull the artifact. Return its name in the local store."""
    async with oci_client(service.address) as client:
        kind = "application/vnd.oci.image.manifest.v1+json"
        await client.push("library/hostile", "v1", artifact, media_type=kind)
    name = f"{service.address}/library/hostile:v1"
    await shell.ok(f"ormb pull {name}")
    return name


@pytest.mark.parametrize(
    "artifact",
    [
        pytest.param(foreign.ormb_v1alpha1(MODEL, *THEIRS), id="archive"),
        pytest.param(
            foreign.kit(
                {"model": {"path": "model.onnx"}},
                Section("model", {"model.onnx": b"onnx"}),
                Section("code", dict.fromkeys(MINE, b"theirs")),
            ),
            id="kit",
        ),
        pytest.param(
            foreign.artifact(
                "application/vnd.oci.image.config.v1+json",
                {},
                Layer(
                    "application/vnd.oci.image.layer.v1.tar",
                    foreign.tar(Entry("models/model.onnx", b"onnx"), *THEIRS),
                ),
            ),
            id="image",
        ),
    ],
)
async def test_other_files_of_an_artifact_do_not_replace_model_files(
    service: RegistryProcess, shell: Shell, destination: Path, artifact: Artifact
) -> None:
    name = await pulled(service, shell, artifact)
    await shell.ok(f"ormb export {name} -d {destination}")
    assert files(destination) == MINE
    assert (destination / "model" / "model.onnx").read_bytes() == b"onnx"
    assert names(destination) <= {*tops(MINE), "model", "extra", "ormbfile.yaml", ".ormb-digest"}


@pytest.mark.parametrize("name", ["model", "ormbfile.yaml"])
@pytest.mark.parametrize("kind", ["file", "directory", "link", "link to nothing"])
async def test_an_existing_name_is_refused(
    service: RegistryProcess, shell: Shell, destination: Path, name: str, kind: str
) -> None:
    existing = destination / name
    match kind:
        case "file":
            existing.write_text("mine")
        case "directory":
            existing.mkdir()
        case "link":
            existing.symlink_to(destination / ".ssh")
        case _:
            existing.symlink_to(destination / "nothing")
    pulled_name = await pulled(service, shell, foreign.ormb_v1alpha1(MODEL))
    done = await shell.run(f"ormb export {pulled_name} -d {destination}")
    assert done.code != 0
    assert "exists already" in done.err
    assert files(destination) == MINE
    assert (existing.is_symlink(), existing.is_dir()) == (kind.startswith("link"), kind in {"directory", "link"})
