"""Zip archives of models: members found by the end of their name, and read up to a limit."""

from zipfile import ZipFile

MEMBERS_LIMIT = 200_000
"""A member for each weight, as PyTorch writes them, and more than any model has."""


def find(archive: ZipFile, end: str) -> str | None:
    """The first member whose name ends so, at the top or in the archive's one directory.

    Raises ValueError: the archive has too many members.
    """
    names = archive.namelist()
    if len(names) > MEMBERS_LIMIT:
        raise ValueError(f"it has more than {MEMBERS_LIMIT} members")
    return next((name for name in names if name == end or name.partition("/")[2] == end), None)


def read_member(archive: ZipFile, name: str, limit: int) -> bytes:
    """The bytes of a member. Raises ValueError where there are more than the limit, whatever the archive declares."""
    with archive.open(name) as member:
        content = member.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{name} is larger than {limit} bytes")
    return content
