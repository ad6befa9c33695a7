"""Media types of layers in artifacts of all supported tools: the purpose of a layer and its compression."""

import re
from dataclasses import dataclass
from enum import StrEnum

from ormb.errors import UnsupportedArtifactError


class Compression(StrEnum):
    """Compression of the bytes of a layer."""

    NONE = ""
    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True)
class LayerType:
    """The information in a media type.

    Attributes:
        kind: the purpose of the layer, in the terms of its tool: `weight`, `model`, `docs`.
        is_archive: whether it is a tar of files; otherwise it is one file.
        compression: of the archive or the file.
    """

    kind: str
    is_archive: bool
    compression: Compression = Compression.NONE


_PACKED = r"(?P<form>raw|tar)(?:\+(?P<compression>gzip|zstd))?"
MODELPACK = re.compile(rf"application/vnd\.(?:cncf|cnai)\.model\.(?P<kind>\w+(?:\.\w+)?)\.v1\.{_PACKED}")
"""ModelPack (CNCF model-spec, docs/spec.md), and its older spelling."""
MODELPACK_OF_DOCKER = re.compile(r"application/vnd\.cncf\.model\.(?P<kind>weight)\.v1\.(?:gguf|safetensors)")
"""The types that `docker model package --format cncf` writes; not in the specification."""
MODELKIT = re.compile(rf"application/vnd\.kitops\.modelkit\.(?P<kind>\w+)\.v1\.{_PACKED}")
KITFILE = re.compile(r"application/vnd\.kitops\.modelkit\.(?P<kind>config)\.v1\+json")
"""A Kitfile, which `kit pack --use-model-pack` stores in a layer."""
ORMB = re.compile(r"application/(?P<form>tar)\+(?P<compression>gzip)")
DOCKER_ARCHIVE = re.compile(r"application/vnd\.docker\.ai\.(?P<kind>(?:vllm\.config|dir)\.)(?P<form>tar)")
DOCKER_FILE = re.compile(
    r"application/vnd\.docker\.ai\.(?P<kind>gguf\.v3(?:\.lora|\.mmproj)?|mmproj|safetensors|dduf|license"
    r"|chat\.template\.jinja|model\.file)"
)
IMAGE = re.compile(
    r"application/vnd\.oci\.image\.layer\.(?:nondistributable\.)?v1\.(?P<form>tar)(?:\+(?P<compression>gzip|zstd))?"
)
IMAGE_OF_DOCKER = re.compile(
    r"application/vnd\.docker\.image\.rootfs\.(?:foreign\.)?diff\.(?P<form>tar)(?:\.(?P<compression>gzip|zstd))?"
)


def layer_type(media_type: str, patterns: tuple[re.Pattern[str], ...]) -> LayerType:
    """Parse the media type of a layer.

    Args:
        media_type: of the descriptor.
        patterns: of the tool that made the artifact.

    Raises:
        UnsupportedArtifactError: no pattern matches, so that the encoding of the layer is unknown.
    """
    match = next((match for pattern in patterns if (match := pattern.fullmatch(media_type))), None)
    if match is None:
        raise UnsupportedArtifactError(
            f"the layer type {media_type!r} is not known: push the model with raw or tar layers, uncompressed or "
            "compressed with gzip or zstd"
        )
    parts = match.groupdict()
    return LayerType(parts.get("kind") or "", parts.get("form") == "tar", Compression(parts.get("compression") or ""))
