"""Artifacts that no tool creates, as an attacker would send them."""

import io
import json
import tarfile
from typing import Any

from support import foreign_artifacts as foreign
from support.oci_artifacts import MODEL, OCI_MANIFEST, Artifact, descriptor

ORMB_CONFIG = "application/vnd.caicloud.model.config.v1alpha1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
KITFILE_CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
BLOCK = 512


def with_config(config: bytes, config_type: str = ORMB_CONFIG) -> Artifact:
    """An artifact whose config blob has these bytes."""
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(config, config_type), "layers": []}
    return Artifact(json.dumps(document).encode(), (config,))


def with_modelfile(modelfile: Any) -> Artifact:
    """A ModelPack with this content instead of its ormbfile."""
    annotations = {"dev.klever.ormb.modelfile": json.dumps(modelfile)}
    return foreign.artifact(
        "application/vnd.cncf.model.config.v1+json",
        {},
        artifactType=MODEL,
        mediaType=OCI_MANIFEST,
        annotations=annotations,
    )


def image_of(layer: bytes, packing: str = "tar+gzip") -> Artifact:
    """A container image of one layer."""
    return foreign.artifact(
        IMAGE_CONFIG, {}, foreign.Layer(f"application/vnd.oci.image.layer.v1.{packing}", layer), mediaType=OCI_MANIFEST
    )


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    """A header of a tar archive, which may declare a wrong size."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def extended(kind: bytes, content: bytes) -> bytes:
    """A header of a tar archive that extends the next one, with its content."""
    return header(kind, len(content)) + content + bytes(-len(content) % BLOCK)


def pax(**records: str) -> bytes:
    """A pax header with these records, `_` for `.` in their names."""
    out = io.BytesIO()
    for name, value in records.items():
        record = f" {name.replace('_', '.')}={value}\n".encode()
        size = len(record) + len(str(len(record) + 2))
        out.write(str(size).encode() + record)
    return extended(tarfile.XHDTYPE, out.getvalue())
