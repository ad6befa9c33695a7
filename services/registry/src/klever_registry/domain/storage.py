"""The space that the registry uses."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Storage:
    """The space of the registry on its disk, in bytes.

    Attributes:
        stored: size of all blobs and uploads; a blob of several repositories counts once.
        free: space that is left.
    """

    stored: int
    free: int
