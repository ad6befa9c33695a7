"""What PyTorch's zip archives have in common (caffe2/serialize/inline_container.h in PyTorch)."""

from collections.abc import Mapping
from zipfile import ZipFile

from modelfiles.zips import find, read_member

BYTE_ORDER, LONGEST = "byteorder", 16
ORDERS = {"little": "little-endian", "big": "big-endian"}


def byte_order(archive: ZipFile) -> str | None:
    """The order of the bytes in an archive's numbers; None where it is not declared, as before PyTorch 2.1.

    Raises ValueError where it declares one that PyTorch does not know.
    """
    member = find(archive, BYTE_ORDER)
    if member is None:
        return None
    written = read_member(archive, member, LONGEST).decode(errors="replace")
    if written not in ORDERS:
        raise ValueError(f"its {BYTE_ORDER} is {written!r}, neither little nor big")
    return ORDERS[written]


def member_sizes(archive: ZipFile, directory: str) -> Mapping[str, int]:
    """Bytes of the members of a directory by their names in it, none larger than the whole archive."""
    limit = archive.start_dir  # where the members end
    return {
        member.filename.removeprefix(directory): min(member.file_size, limit)
        for member in archive.infolist()
        if member.filename.startswith(directory)
    }
