"""Packs a model directory reproducibly: one raw layer for each file, without compression or times."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import modelformats

from . import mediatypes
from .contents import contents_of
from .digest import digest_bytes, digest_file
from .errors import InvalidModelDirectoryError, InvalidModelFileError, RegistryError
from .limits import MANIFEST_LIMIT
from .manifest import Descriptor, build_config, build_manifest
from .modelfile import FILE_NAME, ModelFile, dump_modelfile, load_modelfile
from .packed import Content, PackedModel
from .packing_archive import pack_archive

MODEL = "model"
MANY_LAYERS = 100
REFUSALS = frozenset({400, 405, 413, 422})
"""HTTP statuses of registries for a manifest that is too large."""
ONE_LAYER = "`--layout ormb` packs all files into one layer"
LAYOUT = f"a model directory holds {FILE_NAME} (optional) and {MODEL}/ with the model's files"

_BY_SUFFIX = {
    **dict.fromkeys((".json", ".yaml", ".yml", ".pbtxt", ".prototxt", ".txt", ".toml"), mediatypes.WEIGHT_CONFIG),
    **dict.fromkeys((".md", ".pdf", ".html"), mediatypes.DOC),
    **dict.fromkeys((".py", ".ipynb", ".sh"), mediatypes.CODE),
}


def pack(directory: Path, archives: Path | None = None, *, digest: Callable[[Path], str] = digest_file) -> PackedModel:
    """Describe a model directory as an artifact. Reads every file once to compute its digest.

    Args:
        directory: the model directory.
        archives: directory for the archive of the Go `ormb`'s layout; None for the ModelPack layout.
        digest: returns a file's sha256 digest; called in several threads.

    Raises:
        InvalidModelDirectoryError: it does not have the structure of a model directory, or of its format.
        InvalidModelFileError: ormbfile.yaml cannot be read.
    """
    root = _checked(directory)
    contents = contents_of(root / MODEL)
    with _describe_directory():
        modelformats.refuse_pointers(root / MODEL)
    modelfile, text = _modelfile(root)
    _validate(modelfile.format or "", root / MODEL)
    if archives:
        return pack_archive(modelfile, contents, root, archives)
    empty = tuple(path.relative_to(root).as_posix() for path in contents.empty_directories)
    packed = _pack(modelfile, text, _hashed(contents.files, root, digest), empty)
    if len(packed.manifest) > MANIFEST_LIMIT:
        raise InvalidModelDirectoryError(
            f"{directory / MODEL} has {len(contents.files)} files: with a layer for each, the manifest has "
            f"{len(packed.manifest)} bytes, and registries take {MANIFEST_LIMIT}. {ONE_LAYER}"
        )
    return packed


def with_advice(error: RegistryError, layers: int) -> RegistryError:
    """Return the error for a rejected manifest, with a solution if the cause may be the number of layers."""
    if layers < MANY_LAYERS or error.status not in REFUSALS:
        return error
    return RegistryError(
        f"{error}. The model has {layers} layers, one for each file, and some registries take some hundreds only: "
        f"{ONE_LAYER}",
        status=error.status,
    )


def _hashed(files: tuple[Path, ...], root: Path, digest: Callable[[Path], str]) -> list[Content]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing releases the interpreter lock
        return list(pool.map(lambda path: _from_file(path, root, digest(path)), files))


def _pack(modelfile: ModelFile, text: bytes, files: list[Content], empty: tuple[str, ...]) -> PackedModel:
    layers = (_from_text(text), *files)
    described = tuple(layer.descriptor for layer in layers)
    config = build_config(modelfile, described)
    return PackedModel(
        modelfile=modelfile,
        manifest=build_manifest(modelfile, config, described, empty),
        config=Content(_describe(mediatypes.MODELPACK_CONFIG, config), config),
        layers=layers,
    )


def _checked(directory: Path) -> Path:
    if not directory.exists():
        raise InvalidModelDirectoryError(f"{directory} does not exist: {LAYOUT}")
    if not (directory / MODEL).is_dir():
        raise InvalidModelDirectoryError(f"{directory} has no {MODEL}/ directory: {LAYOUT}")
    if not any((directory / MODEL).iterdir()):
        raise InvalidModelDirectoryError(f"{directory / MODEL} is empty: {LAYOUT}")
    return directory.resolve()


def _modelfile(root: Path) -> tuple[ModelFile, bytes]:
    """Return the ormbfile and its bytes.

    The bytes are unchanged if they name the format; otherwise the format is added.
    """
    path = root / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except UnicodeDecodeError as error:
        raise InvalidModelFileError(f"{path} is not UTF-8: save it as UTF-8") from error
    modelfile = load_modelfile(text, source=str(path))
    if modelfile.format is not None:
        return modelfile, text.encode()
    detected = modelformats.detect_format(root / MODEL)
    if detected is None:
        raise InvalidModelDirectoryError(
            f"the format of {root / MODEL} cannot be detected from its files: write `format: …` into {path}; "
            f"known formats are {', '.join(modelformats.KNOWN_FORMATS)}"
        )
    modelfile = modelfile.replace(format=detected)
    return modelfile, dump_modelfile(modelfile).encode()


def _validate(format_name: str, directory: Path) -> None:
    with _describe_directory():
        modelformats.validate_layout(format_name, directory)


@contextmanager
def _describe_directory() -> Iterator[None]:
    try:
        yield
    except modelformats.InvalidModelError as error:
        raise InvalidModelDirectoryError(str(error)) from error


def _from_file(path: Path, root: Path, digest: str) -> Content:
    name = path.relative_to(root).as_posix()
    status = path.stat()
    mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    descriptor = Descriptor(
        media_type=_BY_SUFFIX.get(path.suffix.lower(), mediatypes.WEIGHT),
        digest=digest,
        size=status.st_size,
        annotations=_annotations(name, status.st_size, mode),
    )
    return Content(descriptor, path)


def _from_text(text: bytes) -> Content:
    described = _describe(mediatypes.WEIGHT_CONFIG, text, annotations=_annotations(FILE_NAME, len(text), 0o644))
    return Content(described, text)


def _describe(media_type: str, data: bytes, annotations: dict[str, str] | None = None) -> Descriptor:
    size = len(data)
    return Descriptor(media_type=media_type, digest=digest_bytes(data), size=size, annotations=annotations or {})


def _annotations(path: str, size: int, mode: int) -> dict[str, str]:
    """Return the annotations of a file. Owner and time are constant, so that the digest is the same on all machines."""
    metadata = {
        "name": PurePosixPath(path).name,
        "mode": mode,
        "uid": 0,
        "gid": 0,
        "size": size,
        "mtime": "1970-01-01T00:00:00Z",
        "typeflag": 48,
    }
    return {
        mediatypes.FILE_PATH: path,
        mediatypes.FILE_METADATA: json.dumps(metadata, separators=(",", ":")),
        mediatypes.TITLE: path,
    }
