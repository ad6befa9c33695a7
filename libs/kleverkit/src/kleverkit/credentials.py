"""The file with which a service authenticates to NATS: the seed of an NKey (NATS ADR-14)."""

import asyncio
from pathlib import Path

import nkeys

from .errors import TransientError


class CredentialsError(TransientError):
    """The file contains no valid seed. The error is transient, since the file may be written later."""


async def read_seed(path: Path) -> str:
    """Read the seed from a file. Raises CredentialsError."""
    try:
        seed = (await asyncio.to_thread(path.read_bytes)).strip()
    except OSError as error:
        raise CredentialsError(
            f"the NATS credentials in {path} cannot be read ({error.strerror}): create them with `klever up`, "
            "or for another server with `klever nats-config`"
        ) from error
    try:
        nkeys.from_seed(bytearray(seed)).wipe()
    except (nkeys.NkeysError, ValueError) as error:
        raise CredentialsError(
            f"the NATS credentials in {path} are not the seed of an NKey: delete the file, and create it again with "
            "`klever up` or `klever nats-config`"
        ) from error
    return seed.decode()
