"""Names of InferenceServices, short enough for everything that KServe derives from them."""

from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.naming import HASH_LENGTH, NAME_LENGTH, version_name

SUFFIX = "-predictor"
"""KServe appends it to the names of Deployments and Services."""
LABEL_PREFIX = "isvc."
"""Begins the label `app` of pods, whose value ends with the name of the Deployment."""
SHORTEST = HASH_LENGTH + len("s-x-")
"""Minimum length of the name of a version: a readable part, and the hash."""


def inference_service_name(namespace: str, serving: str, variant: str, revision: str) -> str:
    """The name of a version's InferenceService. Raises UnsupportedOnClusterError for a namespace that is too long."""
    length = longest_name(namespace)
    if length < SHORTEST:
        raise UnsupportedOnClusterError(
            f"the namespace {namespace} is too long for KServe, whose host names contain it: use one of at most "
            f"{len(namespace) - SHORTEST + length} characters"
        )
    return version_name(serving, variant, revision, length=length)


def deployment_name(namespace: str, serving: str, variant: str, revision: str) -> str:
    """The name of the Deployment that KServe creates. Raises UnsupportedOnClusterError."""
    return f"{inference_service_name(namespace, serving, variant, revision)}{SUFFIX}"


def longest_name(namespace: str) -> int:
    """The longest name of an InferenceService in a namespace.

    Its label `app`, `isvc.NAME-predictor`, and the first part of its host name, `NAME-predictor-NAMESPACE`, have at
    most 63 characters each.
    """
    of_label = NAME_LENGTH - len(LABEL_PREFIX) - len(SUFFIX)
    of_host = NAME_LENGTH - len(SUFFIX) - len("-") - len(namespace)
    return min(of_label, of_host)
