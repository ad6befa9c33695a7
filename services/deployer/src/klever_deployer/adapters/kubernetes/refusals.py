"""Refusals of the cluster, as errors of servings."""

from klever_deployer.errors import ServingError
from kleverkubeclient.failures import RefusedByClusterError


class RefusedServingError(RefusedByClusterError, ServingError):
    """The API server refuses an object of a serving; a retry does not help."""
