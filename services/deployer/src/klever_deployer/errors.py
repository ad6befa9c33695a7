"""Errors of the deployer: a spec that cannot be applied, and a data plane that does not respond."""

from kleverkit.errors import PermanentError, TransientError
from kleverproto.codes import (
    CONVERSION_FAILED,
    DATA_PLANE_UNAVAILABLE,
    INVALID_EXPRESSION,
    MODEL_NOT_FOUND,
    MODEL_SERVER_FAILED,
    NO_REPLICAS,
    NO_ROUTE,
    PULL_FAILED,
    REFUSED_BY_PROXY,
    TOOLCHAIN_FAILED,
    UNSANDBOXED,
    UNSUPPORTED_FORMAT,
    UNSUPPORTED_HERE,
    UNSUPPORTED_PARAMETERS,
)
from kleverproto.documents import Problem


class ServingError(PermanentError):
    """The spec cannot be applied; `code` is one of the stable codes below."""

    @property
    def problem(self) -> Problem:
        """The error in the form that the document records."""
        return Problem(code=self.code, message=str(self))


class RolledBackError(ServingError):
    """A new version exceeded a limit of its analysis, or its rollout was aborted."""


class DataPlaneError(TransientError):
    """Envoy does not respond, or its files cannot be written."""

    default_code = DATA_PLANE_UNAVAILABLE


class RefusedByProxyError(ServingError):
    """Envoy rejects the configuration of a serving; a retry does not help."""

    default_code = REFUSED_BY_PROXY


__all__ = [
    "CONVERSION_FAILED",
    "INVALID_EXPRESSION",
    "MODEL_NOT_FOUND",
    "MODEL_SERVER_FAILED",
    "NO_REPLICAS",
    "NO_ROUTE",
    "PULL_FAILED",
    "TOOLCHAIN_FAILED",
    "UNSANDBOXED",
    "UNSUPPORTED_FORMAT",
    "UNSUPPORTED_HERE",
    "UNSUPPORTED_PARAMETERS",
    "DataPlaneError",
    "RefusedByProxyError",
    "RolledBackError",
    "ServingError",
]
