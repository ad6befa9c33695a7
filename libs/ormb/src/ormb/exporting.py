"""Writing a model's files to a directory, all or nothing."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import modelformats

from .digest import hexadecimal
from .errors import DestinationError, RegistryUnavailableError, UnsafePathError, UnsupportedArtifactError
from .layouts import layout_named
from .layouts.layout import LayerFiles
from .locks import try_lock
from .manifest import Descriptor, ModelManifest
from .modelfile import FILE_NAME, ModelFile, dump_modelfile
from .packing import MODEL
from .unpacking import safe_path, unpack

ARCHIVES = ".archives"
"""Where archives lie until they are unpacked."""
LOCK = ".lock"
MARKER = ".ormb-digest"
"""Names the artifact that a directory holds, so that exporting it again does nothing."""


def planned_files(manifest: ModelManifest) -> list[LayerFiles]:
    """Which layer goes where under the destination, in the order in which layers are unpacked.

    Raises:
        UnsafePathError: a path leaves the destination, or two layers want the same one.
        UnsupportedArtifactError: a layer is of a kind that is not known.
    """
    planned = layout_named(manifest.layout).files(manifest.layers, manifest.document)
    paths: set[PurePosixPath] = set()
    for layer in planned:
        if layer.archive is not None:
            continue
        path = safe_path(layer.target)
        if not path.parts:
            raise UnsafePathError("a layer of the artifact names no file, or one outside the destination")
        if path in paths:
            raise UnsafePathError(f"two layers of the artifact write {path}: it is damaged, ask who made it")
        paths.add(path)
    return planned


class Unpacker:
    """Puts the blobs of an artifact where their files go.

    Args:
        manifest: the artifact.
        stage: an empty directory.
    """

    def __init__(self, manifest: ModelManifest, stage: Path) -> None:
        self._manifest = manifest
        self._stage = stage
        self._archives = stage / ARCHIVES
        self._planned = planned_files(manifest)

    def wanted(self) -> list[tuple[Descriptor, Path]]:
        """Each layer and where its bytes are to be written: a file's to its place, an archive's beside the model."""
        targets = {self._path(layer): layer.descriptor for layer in self._planned}
        for path in targets:
            path.parent.mkdir(parents=True, exist_ok=True)
        return [(descriptor, path) for path, descriptor in targets.items()]

    def finish(self) -> None:
        """Unpack the archives, and let every export look alike: `model/…`, and an ormbfile that names the format.

        Raises:
            UnsafePathError, UnsupportedArtifactError: see `unpack`; or nothing of a model was in the archives.
        """
        for layer in self._planned:
            if layer.archive is not None:
                unpack(self._path(layer), layer, self._stage)
        shutil.rmtree(self._archives, ignore_errors=True)
        model = self._stage / MODEL
        if not model.is_dir() or not any(model.iterdir()):
            raise UnsupportedArtifactError(
                "the artifact holds no model: of a container image only what is under /models is exported"
            )
        if not (self._stage / FILE_NAME).exists():
            (self._stage / FILE_NAME).write_text(dump_modelfile(self._modelfile(model)))

    def _modelfile(self, model: Path) -> ModelFile:
        said = self._manifest.modelfile or ModelFile()
        return said if said.format else said.model_copy(update={"format": modelformats.detect_format(model)})

    def _path(self, layer: LayerFiles) -> Path:
        if layer.archive is None:
            return self._stage / safe_path(layer.target)
        return self._archives / hexadecimal(layer.descriptor.digest)


def is_exported(destination: Path, digest: str) -> bool:
    """Whether the destination already holds this artifact."""
    marker = destination / MARKER
    return marker.exists() and marker.read_text() == digest


@contextmanager
def staged(destination: Path, digest: str) -> Iterator[Path]:
    """A directory to write into; its content is moved to the destination when the block ends well.

    What a killed process, or one whose registry went away, has left there is there again; anything else leaves nothing.

    Raises:
        DestinationError: the destination holds another model.
    """
    _check(destination)
    destination.mkdir(parents=True, exist_ok=True)
    stage = destination / f".ormb-{hexadecimal(digest)[:12]}"
    stage.mkdir(exist_ok=True)
    with try_lock(stage / LOCK) as is_ours:
        mine = stage if is_ours else Path(tempfile.mkdtemp(prefix=".ormb-", dir=destination))
        try:
            yield mine
            _move_all(mine, destination, digest)
        except (RegistryUnavailableError, asyncio.CancelledError, KeyboardInterrupt):
            raise  # the next try goes on from here
        except BaseException:
            shutil.rmtree(mine, ignore_errors=True)
            raise


def _move_all(stage: Path, destination: Path, digest: str) -> None:
    (stage / MARKER).write_text(digest)
    for part in sorted(stage.iterdir(), key=lambda path: path.name == MARKER):  # the marker comes last
        if part.name != LOCK:
            _move(part, destination / part.name)
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
