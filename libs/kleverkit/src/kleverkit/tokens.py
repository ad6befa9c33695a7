"""The token that lets a program in: a shared secret in a file, sent as a bearer token (RFC 6750, section 2.1)."""

import hashlib
import hmac
from pathlib import Path

from .errors import PermanentError

SHORTEST = 32
"""Characters; what `klever up` makes has 256 random bits in 43."""


class Token:
    """A secret that is compared without a hint at how much of it was right."""

    def __init__(self, secret: str) -> None:
        self._digest = _digest(secret)

    @classmethod
    def read(cls, path: Path) -> "Token":
        """That of a file. Raises PermanentError: it cannot be read, or holds no such secret."""
        try:
            secret = path.read_text("ascii").strip()
        except (OSError, UnicodeError) as error:
            raise PermanentError(f"the token in {path} cannot be read: {error}") from error
        if len(secret) < SHORTEST or not secret.isprintable() or " " in secret:
            raise PermanentError(f"{path} holds no token: write at least {SHORTEST} random characters, without spaces")
        return cls(secret)

    def is_in(self, authorization: str) -> bool:
        """Whether the value of an Authorization header carries it."""
        scheme, _, credentials = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(_digest(credentials.strip()), self._digest)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()
