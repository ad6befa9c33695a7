"""The keys that model servers require in requests: one for each serving.

A key is derived from a secret of this machine and the serving's name, so that no key has to be stored, and the next
deployer and an adopted model server agree. A serving cannot derive the key of another.
"""

import hmac
import os
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Self

from kleverkit.durable import write_new
from kleverroutes.versions import ServingName

SECRET_BYTES = 32


class AccessKeys:
    """Derives keys.

    Args:
        secret: the secret of this machine.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """Read the secret from a file, or create the file, readable by its owner only. Raises OSError.

        If several deployers share a directory, the first one creates the file and the others read it.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            new = write_new(file.parent, secrets.token_bytes(SECRET_BYTES))
            with suppress(FileExistsError):
                os.link(new, file)
            new.unlink()
        secret = file.read_bytes()
        if len(secret) != SECRET_BYTES:
            raise OSError(f"{file} is damaged: delete it; the model servers are then restarted with new keys")
        return cls(secret)

    def __call__(self, serving: ServingName) -> str:
        """The key of a serving, as hexadecimal digits."""
        return hmac.new(self._secret, str(serving).encode(), sha256).hexdigest()

    def is_valid(self, serving: ServingName, key: str | None) -> bool:
        """Return whether a key is that of the serving."""
        return hmac.compare_digest(self(serving).encode(), (key or "").encode())
