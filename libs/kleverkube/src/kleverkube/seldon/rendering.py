"""All objects of a serving on a cluster with Seldon Core."""

from collections.abc import Sequence

from kleverkube.autoscalers import autoscaler
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.manifest import Manifest
from kleverkube.networks import network_policy
from kleverkube.options import ClusterOptions
from kleverkube.rendering import refusal as refusal_on_clusters
from kleverkube.services import service
from kleverkube.version import ServedVersion
from kleverproto.variants import Variant

from .naming import check_serving_name
from .seldon_deployments import Predictor, seldon_deployment


def render(versions: Sequence[ServedVersion], options: ClusterOptions) -> list[Manifest]:
    """Render the objects of a serving in the order in which they are applied.

    Args:
        versions: all versions of the serving, at least one.
        options: options of the cluster.

    Raises:
        UnsupportedOnClusterError: a version cannot run on a cluster; the error names the setting to change.
    """
    first = versions[0]
    check_serving_name(first.serving)
    predictors = [Predictor.of_version(each, options, _fixed_replicas(each, options)) for each in versions]
    own = [each for version in versions for each in own_objects(version, options)]
    return [*own, seldon_deployment(first.namespace, first.serving, predictors, options)]


def own_objects(version: ServedVersion, options: ClusterOptions) -> list[Manifest]:
    """The objects of a version beside its predictor: the Service to which requests are routed, and the policy.

    The operator deletes Services with its labels that it does not know, so they have none.
    """
    return [each for each in (network_policy(version, options), service(version, options)) if each is not None]


def refusal(serving: str, variant: Variant, options: ClusterOptions) -> str | None:
    """Return the reason why a variant of a serving cannot run on this cluster, as a sentence; None if it can."""
    try:
        check_serving_name(serving)
    except UnsupportedOnClusterError as error:
        return str(error)
    return refusal_on_clusters(variant, options)


def has_autoscaler(version: ServedVersion, options: ClusterOptions) -> bool:
    """Return whether a HorizontalPodAutoscaler scales a version. Raises UnsupportedOnClusterError."""
    return autoscaler(version, options) is not None


def _fixed_replicas(version: ServedVersion, options: ClusterOptions) -> int | None:
    return None if has_autoscaler(version, options) else version.variant.replicas
