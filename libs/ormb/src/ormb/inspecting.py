"""What is in a model directory: its format, signature and scan, found without a framework."""

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
    """What was found in a directory."""

    directory: str
    format: str | None
    """None where the files do not show it."""
    size: int
    """Bytes of the model's files."""
    signature: Signature | None = None
    problem: Problem | None = None
    """Why there is no signature."""
    scan: Scan
    warnings: tuple[str, ...] = ()
    """What will go wrong, as the parser found it, and where ormbfile.yaml says something else than the files."""


def inspect_directory(directory: Path) -> Inspection:
    """Look into a model directory, or into one that holds nothing but a model's files.

    Raises:
        InvalidModelDirectoryError: there is no such directory, or it holds what cannot be packed.
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
