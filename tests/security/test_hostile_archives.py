"""Archives that take endless time or memory from their readers: the registry, and an export of a model."""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import foreign_artifacts as foreign
from support import hostile_artifacts as hostile
from support import oci_artifacts as oci
from support.foreign_artifacts import Layer
from support.memory import WATCHED
from support.nats_server import NatsServer
from support.registry_service import RegistryProcess, oci_client, platform, ready

MODEL = oci.model()
MIB = 1024 * 1024
LARGE_HEADER = hostile.header(tarfile.XHDTYPE, 60 * MIB) + b"62914560 x=" + bytes(60 * MIB)
"""A pax header that compresses to about 60 KB."""
ENDLESS = hostile.pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_name="x")
"""A sparse file with an endless map, which readers read completely."""
NESTED = hostile.extended(tarfile.GNUTYPE_LONGNAME, b"n") * 20_000
EXPORT = """
from pathlib import Path
from ormb.exporting import Unpacker
from ormb.reading import parse_manifest
directory, blobs = Path(sys.argv[1]), Path(sys.argv[2])
manifest = parse_manifest((blobs / "manifest").read_bytes(), (blobs / "config").read_bytes())
unpacker = Unpacker(manifest, directory)
for layer, path in unpacker.wanted():
    path.write_bytes((blobs / "layer").read_bytes())
outcome = watched(unpacker.finish)
"""


@pytest.fixture
def service(own_nats: NatsServer, tmp_path: Path) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path, own_nats.url, reconcile_seconds="0.2") as process:
        yield process


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(ENDLESS + hostile.header(tarfile.REGTYPE, 512) + b"3\n1\n", id="endless"),
        pytest.param(NESTED, id="nested"),
    ],
)
async def test_an_image_with_an_unreadable_layer_does_not_block_the_registry(
    service: RegistryProcess, own_nats: NatsServer, layer: bytes
) -> None:
    image = hostile.image_of(foreign.compressed("tar+gzip", layer))
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        await client.push("library/hostile", "v1", image)
        await client.push("library/iris", "v1", MODEL)
        await world.settled("library/iris:v1", MODEL.digest)
        assert "RecursionError" not in service.log.read_text()


@pytest.mark.parametrize("plain", [pytest.param(LARGE_HEADER, id="large"), pytest.param(NESTED, id="nested")])
def test_an_export_uses_no_memory_for_the_headers_of_an_archive(tmp_path: Path, plain: bytes) -> None:
    artifact = foreign.artifact(
        hostile.ORMB_CONFIG, {"format": "ONNX"}, Layer("application/tar+gzip", foreign.compressed("gzip", plain))
    )
    blobs, out = tmp_path / "blobs", tmp_path / "out"
    blobs.mkdir()
    out.mkdir()
    for name, content in zip(("manifest", "config", "layer"), (artifact.manifest, *artifact.blobs), strict=True):
        (blobs / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", WATCHED + EXPORT + "print(outcome)", str(out), str(blobs)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    outcome, grown_mb = done.stdout.split()
    assert outcome == "UnsupportedArtifactError"
    assert int(grown_mb) < 30
