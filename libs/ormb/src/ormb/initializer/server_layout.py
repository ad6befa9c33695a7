"""Arranges an exported model in the layout of a model server, all or nothing. Repeating it changes nothing."""

import json
import shutil
from pathlib import Path

import modelformats
from kleverproto.signatures import Signature
from modelfiles.runtimes import DirectoryLayout
from modelformats.model_files import model_files
from ormb.errors import UnsupportedArtifactError
from ormb.modelfile import FILE_NAME, load_modelfile, to_metadata
from ormb.packing import MODEL

from .targets import Plan, ServedModel, plan

RECORD = ".ormb-initialized.json"
NEW = ".ormb-new"


def is_laid_out(destination: Path, digest: str, layout: DirectoryLayout, name: str) -> bool:
    """Return whether the destination already contains this artifact for this server."""
    record = _record(destination)
    wanted = {"digest": digest, "target": layout.value, "name": name}
    return wanted.items() <= record.items() and all((destination / entry).exists() for entry in record["entries"])


def described(exported: Path, name: str, version: str) -> ServedModel:
    """Describe the model in an exported directory. Raises UnsupportedArtifactError if its format is unknown."""
    modelfile = load_modelfile((exported / FILE_NAME).read_text(), source=FILE_NAME)
    directory = exported / MODEL
    format_name = modelfile.format or modelformats.detect_format(directory)
    if format_name is None:
        raise UnsupportedArtifactError("the model's format is unknown: use --target plain to export it unchanged")
    entries = {path: path.relative_to(directory).as_posix() for path in sorted(directory.rglob("*"))}
    files = tuple(name for path, name in entries.items() if path.is_file())
    empty = tuple(name for path, name in entries.items() if path.is_dir() and not any(path.iterdir()))
    declared = to_metadata(modelfile).declared_signature
    main, problem = _main(format_name, directory)
    signature = _signature(format_name, directory) or declared
    return ServedModel(name, version, format_name, main, files, signature, empty, problem)


def _main(format_name: str, directory: Path) -> tuple[str, str]:
    """Return the path of the model's file in its directory, and the problem if there is none."""
    try:
        files = model_files(format_name, directory)
    except modelformats.InvalidModelError as error:
        return "", str(error)
    return files[0].relative_to(directory).as_posix() if files else "", ""


def lay_out(exported: Path, destination: Path, layout: DirectoryLayout, model: ServedModel, digest: str) -> Plan:
    """Move the files of an exported model to the paths of a server. Files of an earlier run are removed.

    Args:
        exported: on the file system of the destination; consumed.
        destination: unrelated files in it are kept.
        layout: of the server.
        model: the model, see `described`.
        digest: of the artifact.

    Raises:
        UnsupportedArtifactError: the server does not support the format.
    """
    wanted = plan(layout, model)
    new = destination / NEW
    shutil.rmtree(new, ignore_errors=True)
    for source, path in wanted.moves.items():
        (new / path).parent.mkdir(parents=True, exist_ok=True)
        (exported / source).rename(new / path)
    for path, text in wanted.writes.items():
        (new / path).write_text(text)
    _replace(destination, new, {"digest": digest, "target": layout.value, "name": model.name})
    shutil.rmtree(exported, ignore_errors=True)
    return wanted


def _replace(destination: Path, new: Path, facts: dict[str, str]) -> None:
    """Replace the files. The record is deleted first and written last: an interrupted run is repeated."""
    old = _record(destination).get("entries", [])
    entries = sorted(path.name for path in new.iterdir())
    (destination / RECORD).unlink(missing_ok=True)
    for name in {*old, *entries}:
        _remove(destination / name)
    for name in entries:
        (new / name).rename(destination / name)
    new.rmdir()
    (destination / RECORD).write_text(json.dumps({**facts, "entries": entries}))


def _record(destination: Path) -> dict[str, list[str]]:
    try:
        record: dict[str, list[str]] = json.loads((destination / RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return record


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _signature(format_name: str, directory: Path) -> Signature | None:
    try:
        return modelformats.extract_signature(format_name, directory)
    except (modelformats.InvalidModelError, modelformats.UnsupportedFormatError):
        return None
