"""The file with which a service proves to NATS who it is: the seed of an NKey (NATS ADR-14)."""

import asyncio
from pathlib import Path

import nkeys

from .errors import TransientError


class CredentialsError(TransientError):
    """There is no usable seed in the file; it may be put there while the service waits."""


async def read_seed(path: Path) -> str:
    """The seed in a file. Raises CredentialsError."""
    try:
        seed = (await asyncio.to_thread(path.read_bytes)).strip()
    except OSError as error:
        raise CredentialsError(
            f"the NATS credentials in {path} cannot be read ({error.strerror}): `klever up` makes them, "
            "for another server `klever nats-config` does"
        ) from error
    try:
        nkeys.from_seed(bytearray(seed)).wipe()
    except (nkeys.NkeysError, ValueError) as error:
        raise CredentialsError(
            f"the NATS credentials in {path} are not the seed of an NKey: remove the file and let `klever up`, or "
            "`klever nats-config`, make it anew"
        ) from error
    return seed.decode()
