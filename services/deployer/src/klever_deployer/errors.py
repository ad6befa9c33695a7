"""Why a serving cannot be applied."""

from kleverkit.errors import PermanentError, TransientError
from kleverproto.documents import Problem


class ServingError(PermanentError):
    """The spec cannot be applied as it is; `code` is one of the stable codes below."""

    @property
    def problem(self) -> Problem:
        """As it is written into the document."""
        return Problem(code=self.code, message=str(self))


class RolledBackError(ServingError):
    """A new version did not do well at the ingress, or someone aborted its rollout."""


class DataPlaneError(TransientError):
    """Envoy does not answer, or its files cannot be written."""

    default_code = "data_plane_unavailable"


class RefusedByProxyError(ServingError):
    """Envoy refuses the configuration of a serving; trying again changes nothing."""

    default_code = "refused_by_proxy"


MODEL_NOT_FOUND = "model_not_found"
PULL_FAILED = "pull_failed"
TOOLCHAIN_FAILED = "toolchain_failed"
CONVERSION_FAILED = "conversion_failed"
UNSUPPORTED_HERE = "unsupported_here"
UNSANDBOXED = "unsandboxed"
UNSUPPORTED_PARAMETERS = "unsupported_parameters"
UNSUPPORTED_FORMAT = "unsupported_format"
MODEL_SERVER_FAILED = "model_server_failed"
NO_REPLICAS = "no_replicas"
NO_ROUTE = "no_route"
INVALID_EXPRESSION = "invalid_expression"
