"""What is taken and given at most: what is saved within these limits can be exported, and is refused outside them."""

MANIFEST_LIMIT = 4 * 1024 * 1024
"""Bytes of a manifest: registries have to take as many (OCI distribution-spec), and most take no more."""
CONFIG_LIMIT = 4 * 1024 * 1024
"""Bytes of a config that are read into memory."""
MAX_ENTRIES = 100_000
"""Of one archive."""
MAX_COPIES = 10_000
"""Files and directories that the links of an artifact become: each is one more on disk."""
FREE_RATIO, FREE_BYTES = 200, 64 * 1024 * 1024
"""A layer may unpack to 200 times its size, and 64 MiB more: weights hardly compress at all."""


def plain_limit(size: int) -> int:
    """Bytes that a layer of a size may unpack to."""
    return size * FREE_RATIO + FREE_BYTES
