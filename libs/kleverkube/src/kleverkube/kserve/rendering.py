"""All objects of a version that KServe runs."""

from kleverkube.autoscalers import autoscaler
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.manifest import Manifest
from kleverkube.networks import network_policy
from kleverkube.options import ClusterOptions
from kleverkube.rendering import refusal
from kleverkube.services import service
from kleverkube.version import ServedVersion
from kleverproto.variants import Variant

from .inference_services import check_environment, inference_service
from .names import deployment_name, inference_service_name


def render_for_kserve(version: ServedVersion, options: ClusterOptions, replicas: int | None = None) -> list[Manifest]:
    """Render the objects of a version in the order in which they are applied.

    KServe creates the Deployment. The Service and the autoscaler are Klever's own: a Service of KServe may be headless,
    and its autoscaler has no window for scaling down.

    Args:
        version: version to render.
        options: options of the cluster.
        replicas: the number of replicas; by default the variant's. A HorizontalPodAutoscaler decides itself.

    Raises:
        UnsupportedOnClusterError: KServe cannot run the variant; the error names the setting to change.
    """
    number = version.variant.replicas if replicas is None else replicas
    parts = (version.namespace, version.serving, version.variant.name, version.revision)
    scaler = autoscaler(version, options, target=deployment_name(*parts))
    objects = [
        network_policy(version, options),
        service(version, options),
        inference_service(version, options, None if scaler else number),
        scaler,
    ]
    return [each for each in objects if each is not None]


def kserve_refusal(namespace: str, variant: Variant, options: ClusterOptions) -> str | None:
    """Return the reason why KServe cannot run a variant in a namespace, as a sentence; None if it can."""
    try:
        check_environment(variant)
        inference_service_name(namespace, "a", variant.name, "")
    except UnsupportedOnClusterError as error:
        return str(error)
    return refusal(variant, options)
