"""Verification of TLS certificates of registries."""

import ssl
from pathlib import Path


def verification(*, insecure: bool, ca_file: Path | None) -> ssl.SSLContext | bool:
    """Return the `ssl` argument for aiohttp.

    Args:
        insecure: do not verify certificates.
        ca_file: additional CA certificates to trust.

    Raises:
        OSError: the file cannot be read, or contains no certificate.
    """
    if insecure or ca_file is None:
        return not insecure
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    return context
