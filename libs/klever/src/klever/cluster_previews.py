"""Kubernetes objects of a serving, rendered without a cluster."""

from collections.abc import Callable

from kleverkube.backends import RENDERERS, ClusterBackend
from kleverkube.catalogued import served_version
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.registries import loopback_registries, registry_of_pods, with_pod_registry
from kleverkube.version import ServedVersion
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument
from kleverproto.variants import Variant
from kleverroutes.errors import UnsupportedRouteError
from kleverroutes.kubernetes.options import RouteOptions

from .client import KleverClient
from .errors import InputError
from .route_previews import preview_routes


async def preview(  # noqa: PLR0913 - its settings
    client: KleverClient,
    serving: ServingDocument,
    backend: ClusterBackend,
    options: ClusterOptions,
    routes: RouteOptions | None,
    *,
    pod_registry: str | None,
    warn: Callable[[str], None],
) -> list[Manifest]:
    """Render all variants of a serving, and its routes.

    Args:
        client: reads the models and the policies of their projects.
        serving: whose digests are resolved.
        backend: kind of objects that run versions on the cluster.
        options: options of the cluster.
        routes: options of the data plane; None for no routes.
        pod_registry: host:port by which pods reach a registry on a loopback address; None if it is not known.
        warn: called with the reason why pods cannot pull a model.

    Raises:
        ApiError: a model does not exist.
        InputError: a variant cannot run on a cluster, or the data plane does not support a route.
    """
    versions = [await _version(client, serving, variant) for variant in serving.spec.variants]
    if pod_registry is not None:
        options = with_pod_registry(versions, options, pod_registry)
    for registry in loopback_registries(versions, options):
        warn(_unreachable(registry_of_pods(registry, options).address))
    try:
        objects = RENDERERS[backend](versions, options)
        return [*objects, *(preview_routes(serving, versions, options, routes) if routes is not None else [])]
    except (UnsupportedOnClusterError, UnsupportedRouteError) as error:
        raise InputError(str(error)) from error


async def _version(client: KleverClient, serving: ServingDocument, variant: Variant) -> ServedVersion:
    model = await client.model(variant.model)
    policy = await client.policy(ModelRef.parse(variant.model).project)
    try:
        return served_version(serving.namespace, serving.name, variant, model, policy)
    except UnsupportedOnClusterError as error:
        raise InputError(str(error)) from error


def _unreachable(registry: str) -> str:
    return (
        f"pods cannot pull models from {registry}, a loopback address: add --pod-registry HOST:PORT, the address by "
        "which pods reach this registry. The deployer has its own setting: `klever up --pod-registry`, or "
        "KLEVER_DEPLOYER_CLUSTER_REGISTRIES"
    )
