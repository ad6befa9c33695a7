"""Shared by PyTorch's zip archives (caffe2/serialize/inline_container.h in PyTorch)."""

from collections.abc import Mapping
from zipfile import ZipFile

from modelfiles.zips import find, read_member

BYTE_ORDER, LONGEST = "byteorder", 16
ORDERS = {"little": "little-endian", "big": "big-endian"}


def byte_order(archive: ZipFile) -> str | None:
    """Return the byte order of an archive's numbers; None if it is not declared, as before PyTorch 2.1.

    Raises ValueError for an order that PyTorch does not support.
    """
    member = find(archive, BYTE_ORDER)
    if member is None:
        return None
    written = read_member(archive, member, LONGEST).decode(errors="replace")
    if written not in ORDERS:
        raise ValueError(f"its {BYTE_ORDER} is {written!r}, neither little nor big")
    return ORDERS[written]


def member_sizes(archive: ZipFile, directory: str) -> Mapping[str, int]:
    """Map names of members in a directory to their sizes in bytes, none larger than the archive."""
    limit = archive.start_dir  # the end of the members
    return {
        member.filename.removeprefix(directory): min(member.file_size, limit)
        for member in archive.infolist()
        if member.filename.startswith(directory)
    }
