"""Zip archives of models: finds members by the end of their name, and reads them up to a limit."""

from zipfile import ZipFile

MEMBERS_LIMIT = 200_000
"""Maximum number of members: PyTorch writes one for each weight, and no model has as many."""


def find(archive: ZipFile, end: str) -> str | None:
    """Return the first member whose name has this end, at the top or in the archive's only directory.

    Raises ValueError: the archive has too many members.
    """
    names = archive.namelist()
    if len(names) > MEMBERS_LIMIT:
        raise ValueError(f"it has more than {MEMBERS_LIMIT} members")
    return next((name for name in names if name == end or name.partition("/")[2] == end), None)


def read_member(archive: ZipFile, name: str, limit: int) -> bytes:
    """Return the bytes of a member.

    Raises ValueError if there are more than the limit, regardless of the declared size.
    """
    with archive.open(name) as member:
        content = member.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{name} is larger than {limit} bytes")
    return content
