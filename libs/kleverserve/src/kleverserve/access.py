"""Authentication of requests to a model server: every process of the machine can connect to a port on loopback.

A server that is started with a key responds only to requests that contain it; the ingress adds it to the requests that
it forwards. Liveness and readiness need no key, but reject a wrong one, so that a probe detects different keys. A
server that is started without a key responds to everybody.
"""

import hmac
from collections.abc import MutableMapping
from dataclasses import dataclass

from .client_paths import GRPC_SERVICE
from .errors import ForbiddenError

VARIABLE = "KLEVERSERVE_ACCESS_KEY"
"""Environment variable with the key. Only the server's own user can read it."""
HEADER = "x-klever-access-key"
"""HTTP header and gRPC metadata with the key."""
REFUSAL = "this port accepts requests from the ingress only: send them to the URL of the serving"
_HEALTH = ("/ready", "/live")
_HEALTH_CALLS = frozenset(GRPC_SERVICE + call for call in ("ServerLive", "ServerReady", "ModelReady"))


@dataclass(frozen=True, repr=False)
class Access:
    """Compares keys.

    Args:
        key: the key that requests must contain; empty if everybody has access.
    """

    key: str = ""

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> "Access":
        """Take the key out of the environment, so that no child process inherits it."""
        return cls(environment.pop(VARIABLE, ""))

    def check_request(self, path: str, key: str | None) -> None:
        """Raise ForbiddenError if a request has no key although its path requires one, or has a wrong key."""
        is_probe = key is None and path.endswith(_HEALTH)
        if not is_probe and not self._is_right(key):
            raise ForbiddenError(REFUSAL)

    def allows_call(self, method: str, key: str | None) -> bool:
        """Return whether a gRPC call has the key that its method requires."""
        return method in _HEALTH_CALLS or self._is_right(key)

    def _is_right(self, key: str | None) -> bool:
        return not self.key or hmac.compare_digest(self.key.encode(), (key or "").encode())


EVERYBODY = Access()
"""For servers that are started without a key."""
