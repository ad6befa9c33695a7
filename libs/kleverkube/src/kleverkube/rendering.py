"""All objects of a version."""

from kleverproto.variants import Variant

from .autoscalers import autoscaler, check_autoscaling
from .deployments import deployment
from .errors import UnsupportedOnClusterError
from .gpus import gpu_pool
from .images import custom_image
from .manifest import Manifest
from .networks import network_policy
from .options import ClusterOptions
from .services import service
from .version import ServedVersion


def render(version: ServedVersion, options: ClusterOptions, replicas: int | None = None) -> list[Manifest]:
    """Render the objects of a version in the order in which they are applied.

    Args:
        version: version to render.
        options: options of the cluster.
        replicas: the number of replicas; by default the variant's. A HorizontalPodAutoscaler decides itself.

    Raises:
        UnsupportedOnClusterError: the variant cannot run on a cluster; the error names the setting to change.
    """
    number = version.variant.replicas if replicas is None else replicas
    scaler = autoscaler(version, options)
    objects = [
        network_policy(version, options),
        service(version, options),
        deployment(version, options, None if scaler else number),
        scaler,
    ]
    return [each for each in objects if each is not None]


def refusal(variant: Variant, options: ClusterOptions) -> str | None:
    """Return the reason why a variant cannot run on this cluster, as a sentence; None if it can. Ignores its model."""
    try:
        gpu_pool(variant, options)
        check_autoscaling(variant, options)
        custom_image(variant)
    except UnsupportedOnClusterError as error:
        return str(error)
    return None
