"""The data planes of a cluster: the objects that each gets for a route."""

from dataclasses import dataclass
from typing import Protocol

from kleverroutes.routing import ServingRoute

from .gateway_api import gateway_objects, gateway_refusals
from .http_routes import ExtensionRef, GatewayIngress
from .istio import istio_objects, istio_refusals
from .options import RouteOptions
from .probes import with_probe
from .services import Json, Services
from .virtual_services import IstioIngress


class RouteRenderer(Protocol):
    """Renders routes for a data plane."""

    def objects(self, route: ServingRoute, services: Services) -> list[Json]:
        """The objects of a route, in the order in which they are applied. Raises UnsupportedRouteError."""

    def refusals(self, route: ServingRoute, services: Services) -> list[str]:
        """The reasons why the data plane cannot route requests as the route requires, as sentences."""


@dataclass(frozen=True)
class IstioRenderer:
    """See `RouteRenderer`: the objects of Istio, with the route that shows that a gateway has received them."""

    ingress: IstioIngress

    def objects(self, route: ServingRoute, services: Services) -> list[Json]:
        """See `RouteRenderer`."""
        return with_probe(istio_objects(route, self.ingress, services), route.serving)

    def refusals(self, route: ServingRoute, services: Services) -> list[str]:
        """See `RouteRenderer`."""
        return istio_refusals(route, services)


@dataclass(frozen=True)
class GatewayRenderer:
    """See `RouteRenderer`: the objects of the Gateway API."""

    ingress: GatewayIngress

    def objects(self, route: ServingRoute, services: Services) -> list[Json]:
        """See `RouteRenderer`."""
        return gateway_objects(route, self.ingress, services)

    def refusals(self, route: ServingRoute, services: Services) -> list[str]:
        """See `RouteRenderer`."""
        return gateway_refusals(route, self.ingress, services)


def route_renderer(options: RouteOptions) -> RouteRenderer:
    """The renderer for the data plane that the operator has chosen."""
    if options.kind == "istio":
        return IstioRenderer(IstioIngress(gateways=(options.gateway,)))
    namespace, _, name = options.gateway.partition("/")
    sticky, retries = map(_extension, (options.sticky_extension, options.retries_extension))
    return GatewayRenderer(GatewayIngress(name=name, namespace=namespace, sticky=sticky, retries=retries))


def _extension(named: str | None) -> ExtensionRef | None:
    """The filter that an option names: group, kind and name."""
    return ExtensionRef(*named.split("/")) if named is not None else None
