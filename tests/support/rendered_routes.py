"""The objects that each data plane of Kubernetes gets for the routes of `FEATURES`."""

from collections.abc import Callable
from pathlib import Path

from kleverroutes.errors import UnsupportedRouteError
from kleverroutes.kubernetes.gateway_api import gateway_objects
from kleverroutes.kubernetes.http_routes import GatewayIngress
from kleverroutes.kubernetes.istio import istio_objects
from kleverroutes.kubernetes.services import Json, Services
from kleverroutes.kubernetes.virtual_services import IstioIngress
from kleverroutes.routing import ServingRoute
from support.kubernetes_routes import FEATURES, services_of

GOLDEN = Path(__file__).parents[1] / "data" / "routes"
ISTIO = IstioIngress(("istio-system/klever-gateway",))
GATEWAY = GatewayIngress("klever-gateway", "klever-system")


def istio(route: ServingRoute, services: Services) -> list[Json]:
    return istio_objects(route, ISTIO, services)


def gateway_api(route: ServingRoute, services: Services) -> list[Json]:
    return gateway_objects(route, GATEWAY, services)


DATA_PLANES: dict[str, Callable[[ServingRoute, Services], list[Json]]] = {
    "istio": istio,
    "gateway-api": gateway_api,
}


def rendered(data_plane: str, feature: str) -> list[Json]:
    """Raises UnsupportedRouteError."""
    return DATA_PLANES[data_plane](FEATURES[feature], services_of(feature))


def is_rendered(data_plane: str, feature: str) -> bool:
    """Return whether the data plane supports the feature."""
    try:
        rendered(data_plane, feature)
    except UnsupportedRouteError:
        return False
    return True
