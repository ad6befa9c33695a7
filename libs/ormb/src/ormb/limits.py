"""Limits for saving and exporting: a model that can be saved can also be exported."""

MANIFEST_LIMIT = 4 * 1024 * 1024
"""Maximum size of a manifest in bytes.

Registries must accept this size (OCI distribution-spec), and most accept no more.
"""
CONFIG_LIMIT = 4 * 1024 * 1024
"""Maximum size of a config in bytes, since it is read into memory."""
MAX_ENTRIES = 100_000
"""Maximum number of entries of an archive."""
MAX_COPIES = 10_000
"""Maximum number of files and directories that the links of an artifact are copied to."""
FREE_RATIO, FREE_BYTES = 200, 64 * 1024 * 1024
"""A layer may unpack to 200 times its size plus 64 MiB, because weights hardly compress."""


def plain_limit(size: int) -> int:
    """Return the maximum number of bytes that a layer of a size may unpack to."""
    return size * FREE_RATIO + FREE_BYTES
