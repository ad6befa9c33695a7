"""How a registry's certificate is verified."""

import ssl
from pathlib import Path


def verification(*, insecure: bool, ca_file: Path | None) -> ssl.SSLContext | bool:
    """What aiohttp wants as `ssl`.

    Args:
        insecure: verify nothing.
        ca_file: certificates of authorities to trust besides the system's.

    Raises:
        OSError: the file cannot be read, or holds no certificate.
    """
    if insecure or ca_file is None:
        return not insecure
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    return context
