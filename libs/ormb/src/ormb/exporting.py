"""Writes the files of a model to a directory, all or nothing."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import modelformats

from .arranging import arrange
from .digest import hexadecimal
from .errors import (
    DestinationError,
    DigestMismatchError,
    InvalidModelFileError,
    RegistryUnavailableError,
    UnsafePathError,
    UnsupportedArtifactError,
)
from .layouts import layout_named
from .layouts.layout import EXTRA, ArtifactFiles, LayerFiles, Role
from .linking import Links
from .locks import try_lock
from .manifest import Descriptor, ModelManifest
from .modelfile import FILE_NAME, ModelFile, dump_modelfile, load_modelfile
from .packing import MODEL
from .paths import safe_path
from .space import writing_to
from .unpacking import decompress, unpack

ARCHIVES = ".archives"
"""Directory for archives that are not unpacked yet."""
LOCK = ".lock"
MARKER = ".ormb-digest"
"""Name of the file with the digest of the exported artifact, and with the names of the exported files."""
EXPORTED = frozenset({FILE_NAME, MODEL, EXTRA})


def planned_files(manifest: ModelManifest) -> ArtifactFiles:
    """Plan the destination of each layer, in the order of unpacking.

    Raises:
        UnsafePathError: a path is outside the destination, or two layers have the same path.
        UnsupportedArtifactError: a layer has an unknown type.
        DigestMismatchError: a layer is not the one that the artifact's config declares.
    """
    planned = layout_named(manifest.layout).files(manifest)
    paths: set[PurePosixPath] = set()
    for layer in planned.layers:
        if layer.type.is_archive:
            continue
        path = safe_path(layer.target)
        if not path.parts:
            raise UnsafePathError("a layer of the artifact names no file, or one outside the destination")
        if path in paths:
            raise UnsafePathError(f"two layers of the artifact write {path}: it is damaged, ask who made it")
        paths.add(path)
    if nested := next((path for path in paths if not paths.isdisjoint(path.parents)), None):
        raise UnsafePathError(f"{nested} of the artifact lies below a file: it is damaged, ask who made it")
    _check_declared(planned.layers)
    return planned


def _check_declared(layers: tuple[LayerFiles, ...]) -> None:
    """Check the diffIds of uncompressed layers, which equal their digests. Digests are verified during transfer."""
    for layer in layers:
        if layer.diff_ids and not layer.type.compression and layer.descriptor.digest not in layer.diff_ids:
            raise DigestMismatchError(
                f"the artifact declares other bytes for its layer {layer.descriptor.digest}: it is none of the diffIds "
                "of its config. Ask who made the artifact to push it again"
            )


class Unpacker:
    """Writes the files of an artifact from its blobs.

    Args:
        manifest: the artifact.
        stage: an empty directory.
    """

    def __init__(self, manifest: ModelManifest, stage: Path) -> None:
        self._manifest = manifest
        self._stage = stage
        self._archives = stage / ARCHIVES
        self._links = Links(stage)
        self._planned = planned_files(manifest)

    def wanted(self) -> list[tuple[Descriptor, Path]]:
        """Return each layer with the path for its blob: the path of its file, or a temporary path for an archive."""
        targets = {self._path(layer): layer.descriptor for layer in self._planned.layers}
        for path in targets:
            path.parent.mkdir(parents=True, exist_ok=True)
        return [(descriptor, path) for path, descriptor in targets.items()]

    def finish(self) -> None:
        """Unpack the layers and bring them into the usual form: `model/…`, and an ormbfile that names the format.

        Raises:
            UnsafePathError, UnsupportedArtifactError, DigestMismatchError: see `unpack`; also if no layer contains a
                part of the model.
        """
        roles = {path: layer.role for layer in self._planned.layers for path in self._unpacked(layer)}
        roles |= self._write_links()
        shutil.rmtree(self._archives, ignore_errors=True)
        if not self._planned.is_model_directory and self._has_model(roles.values()):
            arrange(self._stage, roles, self._planned.model_path, self._read_modelfile().format)
        model = self._stage / MODEL
        if not model.is_dir() or not any(model.iterdir()):
            raise UnsupportedArtifactError(self._without_model())
        if not (self._stage / FILE_NAME).exists():
            (self._stage / FILE_NAME).write_text(dump_modelfile(self._modelfile(model)))

    def _write_links(self) -> dict[PurePosixPath, Role]:
        """Write the links and empty directories after unpacking.

        Returns new files of another tool's tree, with roles.
        """
        try:
            with writing_to(self._stage):
                copies = {path: layer.role for layer, path in self._links.settle() if layer.is_in_tree}
                for directory in self._planned.empty_directories:
                    (self._stage / safe_path(directory)).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnsupportedArtifactError(f"the artifact's links or directories cannot be written: {error}") from error
        return copies

    def _unpacked(self, layer: LayerFiles) -> list[PurePosixPath]:
        """Unpack a layer. Returns its files of another tool's tree."""
        if layer.type.is_archive:
            files = unpack(self._path(layer), layer, self._stage, self._links)
        else:
            files = [PurePosixPath(*safe_path(layer.target).parts[1:])]
            if not layer.is_final:
                decompress(self._path(layer), layer, self._stage / safe_path(layer.target))
            (self._stage / safe_path(layer.target)).chmod(0o755 if layer.descriptor.is_executable else 0o644)
        return files if layer.is_in_tree else []

    def _has_model(self, roles: Collection[Role]) -> bool:
        return Role.MODEL in roles or (bool(roles) and self._planned.model_path is None)

    def _without_model(self) -> str:
        if self._planned.model_path and not self._planned.is_model_directory:
            return (
                f"the artifact holds no model: its Kitfile names {self._planned.model_path}. Where that is another "
                "ModelKit, pull that one, or pack the model's files themselves"
            )
        return "the artifact holds no model: of a container image only what is under /models is exported"

    def _read_modelfile(self) -> ModelFile:
        return self._manifest.modelfile or ModelFile()

    def _modelfile(self, model: Path) -> ModelFile:
        modelfile = self._read_modelfile()
        return modelfile if modelfile.format else modelfile.replace(format=modelformats.detect_format(model))

    def _path(self, layer: LayerFiles) -> Path:
        if layer.is_final:
            return self._stage / safe_path(layer.target)
        return self._archives / hexadecimal(layer.descriptor.digest)


def is_exported(destination: Path, digest: str) -> bool:
    """Return whether the destination already contains this artifact."""
    marker = destination / MARKER
    return marker.exists() and marker.read_text().partition("\n")[0] == digest


def exported_format(directory: Path) -> str | None:
    """Return the format in the ormbfile of an export; None if it names none or cannot be read."""
    with suppress(OSError, ValueError, InvalidModelFileError):
        return load_modelfile((directory / FILE_NAME).read_text()).format
    return None


@contextmanager
def staged(destination: Path, digest: str) -> Iterator[Path]:
    """Yield a staging directory; its content moves to the destination if the block succeeds.

    The files of an interrupted export are kept if the process was killed or the registry became unavailable. After
    other errors, nothing is left.

    Raises:
        DestinationError: the destination contains another model.
    """
    _check(destination)
    destination.mkdir(parents=True, exist_ok=True)
    stage = destination / f".ormb-{hexadecimal(digest)[:12]}"
    stage.mkdir(exist_ok=True)
    with try_lock(stage / LOCK) as is_ours:
        stage = stage if is_ours else Path(tempfile.mkdtemp(prefix=".ormb-", dir=destination))
        try:
            yield stage
            _check(destination)  # check again: other processes may have created files meanwhile
            _move_all(stage, destination, digest)
        except (RegistryUnavailableError, asyncio.CancelledError, KeyboardInterrupt):
            raise  # the next attempt resumes from these files
        except BaseException:
            shutil.rmtree(stage, ignore_errors=True)
            raise


def _move_all(stage: Path, destination: Path, digest: str) -> None:
    """Move the files.

    A process killed meanwhile leaves a marker without a digest, with the names that it may have moved.
    """
    new, old = {name for name in EXPORTED if (stage / name).exists()}, _exported_names(destination)
    _mark(stage, destination, "", old | new)
    for name in new:
        _move(stage / name, destination / name)
    for name in old - new:
        _remove(destination / name)
    _mark(stage, destination, digest, new)
    shutil.rmtree(stage, ignore_errors=True)


def _mark(stage: Path, destination: Path, digest: str, names: set[str]) -> None:
    (stage / MARKER).write_text("\n".join((digest, *sorted(names))))
    (stage / MARKER).replace(destination / MARKER)


def _exported_names(destination: Path) -> set[str]:
    """Return the names that an earlier export has written, which may be replaced."""
    try:
        _, *names = (destination / MARKER).read_text().splitlines()
    except FileNotFoundError:
        return set()
    return {name for name in names if name in EXPORTED}


def _check(destination: Path) -> None:
    if destination.exists() and not destination.is_dir():
        raise DestinationError(f"{destination} is a file: export to a directory")
    for name in EXPORTED - _exported_names(destination):
        if os.path.lexists(destination / name):  # also true for a dangling link
            raise DestinationError(f"{destination / name} exists already: remove it or export elsewhere with -d")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _move(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    os.replace(source, target)  # noqa: PTH105 - replaces a file in one step
