"""The access token for programs: a shared secret in a file, sent as a bearer token (RFC 6750, section 2.1)."""

import hashlib
import hmac
from pathlib import Path

from .errors import PermanentError

SHORTEST = 32
"""Characters; a token of `klever up` has 43 characters with 256 random bits."""


class Token:
    """A secret that is compared in constant time."""

    def __init__(self, secret: str) -> None:
        self._digest = _digest(secret)

    @classmethod
    def read(cls, path: Path) -> "Token":
        """Read a token from a file. Raises PermanentError if the file cannot be read or contains no token."""
        try:
            secret = path.read_text("ascii").strip()
        except (OSError, UnicodeError) as error:
            raise PermanentError(f"the token in {path} cannot be read: {error}") from error
        if len(secret) < SHORTEST or not secret.isprintable() or " " in secret:
            raise PermanentError(f"{path} holds no token: write at least {SHORTEST} random characters, without spaces")
        return cls(secret)

    def is_in(self, authorization: str) -> bool:
        """Return whether the value of an Authorization header contains the token."""
        scheme, _, credentials = authorization.partition(" ")
        return scheme.lower() == "bearer" and self.is_same(credentials.strip())

    def is_same(self, secret: str) -> bool:
        """Return whether this is the secret."""
        return hmac.compare_digest(_digest(secret), self._digest)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()
