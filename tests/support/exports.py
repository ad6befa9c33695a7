"""Artifacts exported from their blobs, without a registry."""

from pathlib import Path

from ormb.exporting import Unpacker
from ormb.reading import needed_config, parse_manifest
from support.oci_artifacts import Artifact, sha256


def export(artifact: Artifact, directory: Path) -> dict[str, bytes]:
    """Export the files of an artifact to a directory. Return them by path."""
    blobs = {sha256(blob): blob for blob in artifact.blobs}
    wanted = needed_config(artifact.manifest)
    manifest = parse_manifest(artifact.manifest, blobs[wanted.digest] if wanted else None)
    assert manifest is not None
    unpacker = Unpacker(manifest, directory)
    for layer, path in unpacker.wanted():
        path.write_bytes(blobs[layer.digest])
    unpacker.finish()
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}
