"""References to artifacts: `host[:port]/repository[:tag][@digest]`, in the grammar of OCI distribution."""

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Self

from kleverproto.references import DIGEST_PATTERN, REPOSITORY_PATTERN, TAG_PATTERN, names_registry

from .errors import InvalidReferenceError

_HOST = re.compile(r"^(localhost|[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?$")
_EXAMPLE = "write host/project/model:tag, such as localhost:5000/library/mymodel:v1"


@dataclass(frozen=True)
class Reference:
    """An artifact in a registry, named by tag or by digest."""

    host: str
    """host or host:port."""
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a reference.

        Raises:
            InvalidReferenceError: it has no host, or a part breaks the grammar.
        """
        name, _, digest = text.partition("@")
        host, _, path = name.partition("/")
        repository, colon, tag = path.partition(":")
        if not names_registry(name) or not _HOST.match(host):
            raise InvalidReferenceError(f"{text!r} names no registry: {_EXAMPLE}")
        if not re.match(REPOSITORY_PATTERN, repository):
            raise InvalidReferenceError(f"{text!r}: {repository!r} is no repository name: {_EXAMPLE}, in lower case")
        if colon and not re.match(TAG_PATTERN, tag):
            raise InvalidReferenceError(f"{text!r}: {tag!r} is no tag: {_EXAMPLE}")
        if digest and not re.match(DIGEST_PATTERN, digest):
            raise InvalidReferenceError(f"{text!r}: {digest!r} is no digest: write sha256:<64 hex digits>")
        return cls(host, repository, tag or None, digest or None)

    @classmethod
    def parse_named(cls, text: str) -> Self:
        """Parse a reference that must have a tag or a digest. Raises InvalidReferenceError."""
        reference = cls.parse(text)
        if reference.tag is None and reference.digest is None:
            raise InvalidReferenceError(f"{text!r} names no version: {_EXAMPLE}")
        return reference

    @property
    def name(self) -> str:
        """The part after `manifests/` in the registry's URL: the digest if there is one, else the tag."""
        return self.digest or self.tag or "latest"

    @property
    def is_loopback(self) -> bool:
        """True if the registry is on this machine, where plain HTTP is the default."""
        host = self.host.rsplit(":", 1)[0] if not self.host.endswith("]") else self.host
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host.strip("[]")).is_loopback
        except ValueError:
            return False

    def at(self, digest: str) -> "Reference":
        """Return a reference to a digest in the same repository."""
        return replace(self, tag=None, digest=digest)

    def tagged(self, tag: str) -> "Reference":
        """Return a reference to a tag in the same repository."""
        return replace(self, tag=tag, digest=None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.host}/{self.repository}{tag}{f'@{self.digest}' if self.digest else ''}"
