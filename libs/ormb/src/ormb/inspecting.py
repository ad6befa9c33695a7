"""Detects format, signature and scan of a model directory without its framework."""

from pathlib import Path

import modelformats
from kleverproto.base import WireModel
from kleverproto.codes import INVALID_MODEL, UNSUPPORTED_FORMAT
from kleverproto.conversions import unverified_warnings
from kleverproto.documents import Problem
from kleverproto.scans import Scan
from kleverproto.signatures import Signature
from modelformats.scanning import scan_directory

from .agreement import contradictions
from .contents import contents_of
from .errors import InvalidModelDirectoryError
from .modelfile import FILE_NAME, ModelFile, load_modelfile, to_metadata
from .packing import MODEL


class Inspection(WireModel):
    """The result of the inspection of a directory."""

    directory: str
    format: str | None
    """None if the files do not show it."""
    size: int
    """Size of the model's files."""
    signature: Signature | None = None
    problem: Problem | None = None
    """The reason if there is no signature."""
    scan: Scan
    warnings: tuple[str, ...] = ()
    """Problems that the parser expects, and contradictions between ormbfile.yaml and the files."""


def inspect_directory(directory: Path) -> Inspection:
    """Inspect a model directory, or a directory that contains only the files of a model.

    Raises:
        InvalidModelDirectoryError: the directory does not exist, or contains entries that cannot be packed.
        InvalidModelFileError: ormbfile.yaml cannot be read.
    """
    if not directory.is_dir():
        raise InvalidModelDirectoryError(f"there is no directory {directory}")
    files = directory / MODEL if (directory / MODEL).is_dir() else directory
    contents = contents_of(files)
    modelfile = _modelfile(directory / FILE_NAME)
    name = modelfile.format or modelformats.detect_format(files)
    signature, problem = _parsed(name, files)
    declared = to_metadata(modelfile).declared_signature
    warnings = (*signature.warnings, *contradictions(declared, signature)) if signature else ()
    return Inspection(
        directory=str(directory),
        format=name,
        size=contents.size,
        signature=signature,
        problem=problem,
        scan=scan_directory(files),
        warnings=(*unverified_warnings(modelfile.labels), *warnings),
    )


def _modelfile(path: Path) -> ModelFile:
    return load_modelfile(path.read_text(), source=str(path)) if path.is_file() else ModelFile()


def _unknown() -> str:
    formats = ", ".join(modelformats.KNOWN_FORMATS)
    return f"the files show none of the formats that are known: write `format:` into {FILE_NAME}, one of {formats}"


def _parsed(name: str | None, files: Path) -> tuple[Signature | None, Problem | None]:
    try:
        if name is None:
            modelformats.refuse_pointers(files)
            return None, Problem(code=UNSUPPORTED_FORMAT, message=_unknown())
        return modelformats.extract_signature(name, files), None
    except modelformats.InvalidModelError as error:
        return None, Problem(code=INVALID_MODEL, message=str(error))
    except modelformats.UnsupportedFormatError as error:
        return None, Problem(code=UNSUPPORTED_FORMAT, message=str(error))
