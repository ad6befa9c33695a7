"""Finds every pickle in a file of any name: directly, compressed, and in nested archives.

A file with the name of a pickle must be one that can be parsed to its end. Any other file counts as a pickle if it can
be parsed, or if it calls a function before the error.
"""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from modelfiles.unpickling.compression import is_packed, is_perhaps_packed, unpacked
from modelfiles.unpickling.errors import LimitError
from modelfiles.unpickling.reading import one_line
from modelfiles.unpickling.streams import CHUNK, UNPACKED_LIMIT
from modelfiles.zips import MEMBERS_LIMIT

from .scanned_pickles import Opens, Reference, pickles_in

PICKLED = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt"}
"""Suffixes of pickles."""
NUMPY_START, ZIP_START = b"\x93NUMPY", b"PK\x03\x04"
MAX_DEPTH = 4
"""Maximum depth of nested archives and compressed files."""
IN_MEMORY = 16 * 1024**2
"""Maximum size in bytes of compressed archives that are kept in memory."""
Named = tuple[str, Reference]
"""The name of a file, and a name in it."""


@dataclass(frozen=True)
class Item:
    """A file, or a member of an archive.

    Attributes:
        name: path inside the model's directory; `!` separates an archive from its member.
        opens: opens it at its start.
        size: of a file on disk, which is seekable; None for a nested one.
        depth: number of archives around it.
    """

    name: str
    opens: Opens
    size: int | None = None
    depth: int = 0

    @property
    def promises(self) -> bool:
        """Return whether its name is that of a pickle."""
        return PurePosixPath(self.name.rpartition("!")[2]).suffix.lower() in PICKLED

    def inner(self, opens: Opens, name: str = "") -> "Item":
        """Return an item inside it: a member, or the decompressed content."""
        return replace(
            self, name=f"{self.name}!{name}" if name else self.name, opens=opens, size=None, depth=self.depth + 1
        )


def scan_item(item: Item) -> Iterator[Named]:
    """Yield what a file would run, and errors of reading it. A file of two formats is scanned as both."""
    try:
        if item.depth > MAX_DEPTH:
            raise LimitError(f"more than {MAX_DEPTH} archives are nested")  # noqa: TRY301
        with item.opens() as stream:
            start = stream.read(tarfile.BLOCKSIZE)
            # Searching an archive at the end of a member requires reading all of it: for weights, the whole model.
            is_zip = start.startswith(ZIP_START) or (item.size is not None and zipfile.is_zipfile(stream))
        yield from _scan(item, start, is_zip=is_zip)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - archives raise anything on hostile bytes
        yield item.name, Reference(None, problem=one_line(error))


def _scan(item: Item, start: bytes, *, is_zip: bool) -> Iterator[Named]:
    scans = [
        *([_scan_zip] if is_zip else []),
        *([_scan_packed] if is_packed(start) else []),
        *([_scan_tar] if _is_tar(start) else []),
        *([_scan_array] if start.startswith(NUMPY_START) else []),
    ]
    for scan in scans:
        yield from scan(item)
    if not start.startswith((ZIP_START, NUMPY_START)):  # unpicklers reject it at once
        yield from _scan_pickles(item, promised=item.promises and not scans)


def _scan_pickles(item: Item, *, promised: bool) -> Iterator[Named]:
    for reference in pickles_in(item.opens, promised=promised, size=item.size):
        yield item.name, reference


def _scan_packed(item: Item) -> Iterator[Named]:
    inner = item.inner(lambda: _opened(item, lambda stream: unpacked(stream, closes=True)))
    with item.opens() as stream:
        surely = item.promises or not is_perhaps_packed(stream.read(3))
    if surely or _unpacks(inner):  # text can also begin this way
        yield from scan_item(inner)
    else:
        yield from _scan_pickles(inner, promised=False)


def _unpacks(item: Item) -> bool:
    try:
        with item.opens() as stream:
            stream.read(tarfile.BLOCKSIZE)
    except pickle.UnpicklingError:
        return False
    return True


def _scan_array(item: Item) -> Iterator[Named]:
    """Scan a *.npy file: for an array of objects, a pickle follows the header."""
    with item.opens() as stream:
        has_objects = _read_header(stream)
    if has_objects:
        yield from _scan_pickles(replace(item, opens=lambda: _opened(item, _behind_header)), promised=True)


def _behind_header(stream: BinaryIO) -> BinaryIO:
    _read_header(stream)
    return stream


def _opened(item: Item, then: Callable[[BinaryIO], BinaryIO]) -> BinaryIO:
    """Return a stream based on the opened item, which is closed if that fails."""
    stream = item.opens()
    try:
        return then(stream)
    except BaseException:
        stream.close()
        raise


def _read_header(stream: BinaryIO) -> bool:
    """Return whether the array has objects."""
    from numpy.lib import format as npy  # noqa: PLC0415 - only such files need it

    read = npy.read_array_header_1_0 if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0
    return bool(read(stream)[2].hasobject)


def _scan_zip(item: Item) -> Iterator[Named]:
    with _seekable(item) as stream, zipfile.ZipFile(stream) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        size = stream.seek(0, io.SEEK_END)
        _check(len(members), sum(member.file_size for member in members), size)
        for member in members:
            yield from scan_item(item.inner(_opener(archive.open, member), member.filename))


def _scan_tar(item: Item) -> Iterator[Named]:
    with _seekable(item) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        members = [member for member in archive if member.isfile()]
        size = stream.seek(0, io.SEEK_END)
        _check(len(members), sum(member.size for member in members), size)
        for member in members:
            yield from scan_item(item.inner(_opener(archive.extractfile, member), member.name))


def _opener(opens: Callable[..., object], member: object) -> Opens:
    return lambda: cast("BinaryIO", opens(member))


def _check(members: int, unpacked_size: int, size: int) -> None:
    if members > MEMBERS_LIMIT:
        raise LimitError(f"the archive contains more than {MEMBERS_LIMIT} files")
    if unpacked_size > max(UNPACKED_LIMIT, 2 * size):
        raise LimitError(f"the archive decompresses to more than {UNPACKED_LIMIT} bytes")


def _seekable(item: Item) -> BinaryIO:
    """Return the stream, or a copy of a nested one."""
    stream = item.opens()
    if item.size is not None:
        return stream
    copy = cast("BinaryIO", SpooledTemporaryFile(max_size=IN_MEMORY))  # noqa: SIM115 - the caller closes it
    written = 0
    with stream:
        while data := stream.read(CHUNK):
            written += copy.write(data)
            if written > UNPACKED_LIMIT:
                raise LimitError(f"an archive inside another decompresses to more than {UNPACKED_LIMIT} bytes")
    copy.seek(0)
    return copy


def _is_tar(start: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(start, tarfile.ENCODING, "surrogateescape")
    except tarfile.TarError:
        return False
    return True
