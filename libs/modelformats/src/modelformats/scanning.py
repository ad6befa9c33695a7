"""Scans a model's pickles for what would run on loading. Nothing is unpickled.

The streams are read by `inert_pickle`, which understands joblib's arrays and compression; what a name means is asked of
picklescan's lists and of `trusted_globals`.
"""

import io
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, cast

from kleverproto.scans import Finding, Scan, Severity

from .bounded_stream import BoundedStream, unpacked
from .inert_pickle import UNPACKED_LIMIT, Globals, read_globals
from .trusted_globals import TRUSTED
from .zips import MEMBERS_LIMIT

SCANNER = "picklescan"
PICKLED = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt"}
"""Names that promise a pickle."""
PERHAPS_PICKLED = {".bin", ".dat", ".data"}
PICKLE_STARTS = tuple(bytes([0x80, protocol]) for protocol in range(6))
NUMPY_START, ZIP_START = b"\x93NUMPY", b"PK\x03\x04"
PICKLES_IN_A_FILE = 5
"""PyTorch before 1.6 wrote so many, one after the other."""
PARTIAL = "functools.partial"
"""picklescan lists it, but it only keeps what it would call, which is named, too, and judged by itself."""
MAX_DEPTH = 3
"""Of archives in each other."""
MOST_FINDINGS = 100
"""Of the worst; a hostile file may name a million things."""
WORST_FIRST: tuple[Severity, ...] = ("dangerous", "failed", "suspicious")


def scan_directory(directory: Path) -> Scan:
    """Scan every file that may hold a pickle, in subdirectories and zip archives too.

    Raises OSError when a file cannot be opened. A file that cannot be understood is a finding.
    """
    findings: list[Finding] = []
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            findings.extend(_scan(path.relative_to(directory).as_posix(), file))
    worst = tuple(sorted(findings, key=lambda finding: WORST_FIRST.index(finding.severity))[:MOST_FINDINGS])
    return Scan(
        verdict=worst[0].severity if worst else "clean",
        findings=worst,
        scanner=SCANNER,
        scanner_version=version(SCANNER),
    )


def _scan(name: str, stream: BinaryIO, depth: int = 0) -> Iterator[Finding]:
    """A file may be two things at once: a pickle with an archive behind it is scanned as both."""
    ending = Path(name).suffix.lower()
    try:
        start = stream.read(8)
        # To look for an archive is to read to the end: of weights inside an archive, that is to read the whole model.
        telling = start.startswith((ZIP_START, NUMPY_START, *PICKLE_STARTS)) or ending in PICKLED
        archive = (depth == 0 or telling) and zipfile.is_zipfile(stream)
        stream.seek(0)
    except Exception as error:  # noqa: BLE001 - a member of a damaged archive raises anything
        yield _failed(name, error)
        return
    if archive:
        yield from _scan_archive(name, stream, depth)
    if start.startswith(ZIP_START):
        if not archive:
            yield _failed(name, ValueError("the archive is damaged"))
    elif start.startswith(NUMPY_START):
        yield from _scan_array(name, stream)
    elif ending in PICKLED | PERHAPS_PICKLED or start.startswith(PICKLE_STARTS):
        yield from _scan_pickles(name, stream, promised=ending in PICKLED)


def _scan_archive(name: str, stream: BinaryIO, depth: int) -> Iterator[Finding]:
    try:
        size = stream.seek(0, io.SEEK_END)
        with zipfile.ZipFile(stream) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if depth == MAX_DEPTH or len(members) > MEMBERS_LIMIT:
                raise ValueError(f"more than {MAX_DEPTH} archives inside each other, or {MEMBERS_LIMIT} files in one")  # noqa: TRY301
            if sum(member.file_size for member in members) > max(UNPACKED_LIMIT, 2 * size):
                raise ValueError(f"the archive unpacks to more than {UNPACKED_LIMIT} bytes")  # noqa: TRY301
            for member in members:
                with archive.open(member) as opened:
                    yield from _scan(f"{name}!{member.filename}", cast("BinaryIO", opened), depth + 1)
        stream.seek(0)
    except Exception as error:  # noqa: BLE001 - zipfile raises anything on hostile bytes
        yield _failed(name, error)
        stream.seek(0)


def _scan_array(name: str, stream: BinaryIO) -> Iterator[Finding]:
    """A *.npy file: an array of objects is a pickle behind the header."""
    from numpy.lib import format as npy  # noqa: PLC0415 - only such files need it

    try:
        read = npy.read_array_header_1_0 if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0
        has_objects = read(stream)[2].hasobject
    except Exception as error:  # noqa: BLE001 - numpy raises anything on hostile bytes
        yield _failed(name, error)
        return
    if has_objects:
        yield from _scan_pickles(name, stream, promised=True, packed=False)


def _scan_pickles(name: str, stream: BinaryIO, *, promised: bool, packed: bool = True) -> Iterator[Finding]:
    """What the pickles of a file name; where none was promised, bytes that are none are no finding."""
    found: Globals = {}
    failure: Exception | None = None
    pickles = 0
    try:
        bounded = BoundedStream(unpacked(stream) if packed else stream, UNPACKED_LIMIT)
        for _ in range(PICKLES_IN_A_FILE):
            read_globals(bounded, found)
            pickles += 1
    except Exception as error:  # noqa: BLE001 - the pickle module raises anything on hostile bytes
        failure = error
    for module, attribute in sorted(found):
        yield from _judged(name, module, attribute)
    if failure and not pickles and (promised or found):
        yield _failed(name, failure)


def _judged(name: str, module: str, attribute: str) -> Iterator[Finding]:
    what = f"{module}.{attribute}"
    if what != PARTIAL and _is_dangerous(module, attribute):
        reason = "loading the file can run commands, or read and write files, through it"
        yield Finding(file=name, what=what, severity="dangerous", reason=reason)
    # A dotted name reaches into what the module has imported: it says nothing of the module's own classes.
    elif "." in attribute or not TRUSTED.fullmatch(what):
        reason = "it is not among the classes that models are known to need: load the file only if you trust its maker"
        yield Finding(file=name, what=what, severity="suspicious", reason=reason)


def _is_dangerous(module: str, attribute: str) -> bool:
    """Whether picklescan lists it; it is asked with a pickle of this one name."""
    from picklescan import scanner  # type: ignore[import-untyped] # noqa: PLC0415 - only models with pickles need it

    asked = io.BytesIO(b"c" + f"{module}\n{attribute}\n.".encode("ascii", "replace"))
    return bool(scanner.scan_pickle_bytes(asked, module).issues_count)


def _failed(name: str, error: Exception) -> Finding:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return Finding(file=name, what="", severity="failed", reason=f"the file could not be read to its end: {reason}")
