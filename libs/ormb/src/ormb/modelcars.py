"""Detects from the first bytes of its layers whether a container image has a model under /models; pure."""

import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

import zstandard

from .bounded_tar import entries
from .errors import UnsupportedArtifactError
from .layouts import layer_types
from .layouts.layer_types import Compression, layer_type
from .layouts.modelcar import DIRECTORY

START = 64 * 1024
"""Number of bytes of a layer to examine: a layer that copies a model into an image begins with its directory."""
PLAIN_LIMIT = 16 * 1024 * 1024
"""Maximum number of bytes to which these are unpacked."""


def holds_model(media_type: str, start: bytes) -> bool:
    """Return whether a layer has entries under /models.

    Args:
        media_type: of the layer.
        start: its first bytes, possibly all.
    """
    try:
        compression = layer_type(media_type, (layer_types.IMAGE, layer_types.IMAGE_OF_DOCKER)).compression
        plain = _plain(compression, start)
    except (UnsupportedArtifactError, zlib.error, zstandard.ZstdError):
        return False
    return any(PurePosixPath(name).parts[:1] == (DIRECTORY,) for name in _names(plain))


def _plain(compression: Compression, start: bytes) -> bytes:
    match compression:
        case Compression.NONE:
            return start
        case Compression.GZIP:
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, PLAIN_LIMIT)
        case Compression.ZSTD:
            with zstandard.ZstdDecompressor().stream_reader(start) as stream:
                return stream.read(PLAIN_LIMIT)


def _names(plain: bytes) -> Iterator[str]:
    try:
        for _, member in entries(io.BytesIO(plain)):
            yield member.name
    except (tarfile.TarError, UnsupportedArtifactError):
        return  # the rest of the layer is not examined
