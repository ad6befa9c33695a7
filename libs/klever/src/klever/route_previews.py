"""Routes of a serving as objects of a cluster, rendered without a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

from kleverkube.labels import with_owner
from kleverkube.manifest import Manifest
from kleverkube.naming import version_name
from kleverkube.options import ClusterOptions
from kleverkube.services import HTTP_SERVICE_PORT, grpc_service_port
from kleverkube.version import ServedVersion
from kleverproto.servings import ServingDocument
from kleverroutes.errors import UnsupportedRouteError
from kleverroutes.kubernetes.data_planes import route_renderer
from kleverroutes.kubernetes.options import RouteOptions
from kleverroutes.kubernetes.services import VersionService
from kleverroutes.routing import Stage, rollout_routes, route
from kleverroutes.versions import ServingName, VersionKey, deployments


@dataclass(frozen=True)
class PreviewedServices:
    """The Services of the versions of a serving; a version that is not rendered is treated as one without gRPC."""

    grpc_ports: dict[VersionKey, int | None]

    def __call__(self, key: VersionKey) -> VersionService:
        """The Service of a version."""
        name = version_name(key.serving.name, key.variant, key.revision)
        return VersionService(name, key.serving.namespace, HTTP_SERVICE_PORT, self.grpc_ports.get(key))


def preview_routes(
    serving: ServingDocument, versions: Sequence[ServedVersion], options: ClusterOptions, routes: RouteOptions
) -> list[Manifest]:
    """Render the routes of a serving after its rollout.

    Args:
        serving: whose digests are resolved.
        versions: its versions.
        options: options of the cluster.
        routes: options of its data plane.

    Raises:
        UnsupportedRouteError: the data plane cannot route requests as the serving, or a step of its rollout, requires.
    """
    renderer = route_renderer(routes)
    name, status = ServingName(serving.namespace, serving.name), serving.status
    ports = {VersionKey(name, each.variant.name, each.revision): grpc_service_port(each, options) for each in versions}
    services = PreviewedServices(ports)
    rolled_out = Stage(name, serving.spec, deployments(serving.spec, status.variants))
    rollout = Stage(name, serving.spec, rolled_out.wanted, deployments(status.applied, status.variants), status.applied)
    for each in rollout_routes(rollout):
        if refusals := renderer.refusals(each, services):
            raise UnsupportedRouteError("; ".join(refusals))
    return [with_owner(each, serving.name, options) for each in renderer.objects(route(rolled_out), services)]
