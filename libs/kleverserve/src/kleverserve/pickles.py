"""Detects the scikit-learn release that wrote a pickle, and gives advice if another release loads it."""

import bz2
import gzip
import lzma
import re
import zlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = "scikit-learn"
_KEY = re.compile(rb"_sklearn_version(?:\x94|q.|r.{4})?(?:\x8c(.)|X(.{4}))", re.DOTALL)
"""The key of the version in the state of every estimator, and the length of its value, with the opcodes of pickle."""
_COMPRESSED = (
    (b"\x1f\x8b", gzip.decompress),
    (b"x", zlib.decompress),
    (b"BZh", bz2.decompress),
    (b"\xfd7zXZ", lzma.decompress),
    (b"]\x00", lzma.decompress),
)
"""Compression formats of joblib, by the first bytes."""


def sklearn_version(file: Path) -> str | None:
    """Return the version of scikit-learn that wrote a pickle or joblib file; None if it is not recorded."""
    data = _plain(file.read_bytes())
    match = _KEY.search(data)
    if match is None:
        return None
    size = int.from_bytes(match[1] or match[2], "little")
    return data[match.end() : match.end() + size].decode(errors="replace")


def remedy(saved_by: str | None, package: str = PACKAGE) -> str:
    """Return the advice for a pickle that does not load or run here, with both versions as far as they are known.

    Args:
        saved_by: the version of the package that wrote it.
        package: its name in the package index.
    """
    here = _installed(package)
    if saved_by is None or saved_by == here:
        return f"train and save it again with {package} {here}"
    return (
        f"it was saved by {package} {saved_by}, and {here} is installed here: train and save it again with {here}, "
        f"or convert it to ONNX where {saved_by} is installed"
    )


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _plain(data: bytes) -> bytes:
    for magic, decompress in _COMPRESSED:
        if data.startswith(magic):
            try:
                return decompress(data)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
                return data
    return data
