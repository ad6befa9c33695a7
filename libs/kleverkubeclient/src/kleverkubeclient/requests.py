"""One request to the API server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from kleverkube.manifest import Manifest

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
JSON = "application/json"
APPLY_PATCH, MERGE_PATCH = "application/apply-patch+yaml", "application/merge-patch+json"


@dataclass(frozen=True)
class Request:
    """A request, by path. Its text names it in errors and denials."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Manifest | None = None
    content_type: str = JSON
    silence: float | None = None
    """Seconds without a byte after which the connection of a stream is treated as lost; None for a response that ends
    within REQUEST_SECONDS."""
    is_optional: bool = False
    """True if the service works without the permission for it, so that a denial is no problem."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers, without credentials."""
        return {"Content-Type": self.content_type, "Accept": f"{JSON}, */*"}

    @property
    def limits(self) -> aiohttp.ClientTimeout:
        """The time limits. A stream may take any time in all."""
        total = REQUEST_SECONDS if self.silence is None else None
        return aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_SECONDS, sock_read=self.silence)
