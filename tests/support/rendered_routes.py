"""The objects that each data plane of Kubernetes gets for the routes of `FEATURES`."""

from collections.abc import Callable
from pathlib import Path

from klever_deployer.adapters.kubernetes.routes.gateway_api import gateway_objects
from klever_deployer.adapters.kubernetes.routes.http_routes import GatewayIngress
from klever_deployer.adapters.kubernetes.routes.istio import istio_objects
from klever_deployer.adapters.kubernetes.routes.services import Json, Services
from klever_deployer.adapters.kubernetes.routes.virtual_services import IstioIngress
from klever_deployer.domain.routing import ServingRoute
from klever_deployer.errors import RefusedByProxyError
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
    """Raises RefusedByProxyError."""
    return DATA_PLANES[data_plane](FEATURES[feature], services_of(feature))


def is_rendered(data_plane: str, feature: str) -> bool:
    """Return whether the data plane supports the feature."""
    try:
        rendered(data_plane, feature)
    except RefusedByProxyError:
        return False
    return True
