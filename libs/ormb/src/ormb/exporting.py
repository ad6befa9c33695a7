"""Writing a model's files to a directory, all or nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from . import mediatypes
from .errors import DestinationError, UnsafePathError, UnsupportedArtifactError
from .manifest import Descriptor, ModelManifest
from .modelfile import FILE_NAME
from .packing import MODEL

MARKER = ".ormb-digest"
"""Names the artifact that a directory holds, so that exporting it again does nothing."""


def planned_files(manifest: ModelManifest) -> list[tuple[Descriptor, PurePosixPath]]:
    """Which layer goes where under the destination.

    Files of artifacts that another tool made have no `model/` in front; they are put there.

    Raises:
        UnsafePathError: a path leaves the destination, or two layers want the same one.
        UnsupportedArtifactError: a layer is not one raw file.
    """
    planned: dict[PurePosixPath, Descriptor] = {}
    for layer in manifest.layers:
        path = _safe(layer)
        if manifest.modelfile is None:
            path = PurePosixPath(MODEL) / path
        if path in planned:
            raise UnsafePathError(f"two layers of the artifact write {path}: it is damaged, ask who made it")
        planned[path] = layer
    return [(layer, path) for path, layer in planned.items()]


def _safe(layer: Descriptor) -> PurePosixPath:
    if not layer.media_type.endswith(mediatypes.RAW_SUFFIX) or layer.path is None:
        raise UnsupportedArtifactError(
            f"layer {layer.digest} of type {layer.media_type} is not one raw file, which is all that can be exported"
        )
    path = PurePosixPath(layer.path)
    if path.is_absolute() or ".." in path.parts or not path.parts or set(layer.path) & {"\\", "\0"}:
        raise UnsafePathError(
            f"the artifact names the file {layer.path!r}, outside the destination: it is not exported"
        )
    return path


def is_exported(destination: Path, digest: str) -> bool:
    """Whether the destination already holds this artifact."""
    marker = destination / MARKER
    return marker.exists() and marker.read_text() == digest


@contextmanager
def staged(destination: Path, digest: str) -> Iterator[Path]:
    """A directory to write into; its content is moved to the destination when the block ends well.

    Raises:
        DestinationError: the destination holds another model.
    """
    _check(destination)
    destination.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".ormb-", dir=destination))
    try:
        yield stage
        (stage / MARKER).write_text(digest)
        for part in sorted(stage.iterdir(), key=lambda path: path.name == MARKER):  # the marker comes last
            _move(part, destination / part.name)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _check(destination: Path) -> None:
    if destination.exists() and not destination.is_dir():
        raise DestinationError(f"{destination} is a file: export to a directory")
    if (destination / MARKER).exists():
        return  # a model that we exported may be replaced
    for name in (FILE_NAME, MODEL):
        if (destination / name).exists():
            raise DestinationError(f"{destination / name} exists already: remove it or export elsewhere with -d")


def _move(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    os.replace(source, target)  # noqa: PTH105 - replaces a file in one step
