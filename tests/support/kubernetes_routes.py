"""Routes that use one feature each, and the Services of their versions: what data planes of Kubernetes render."""

from dataclasses import dataclass, replace
from typing import Any

from kleverproto.traffic import Cookie, HeaderMatch, Retries, Sticky, Timeouts
from kleverroutes.kubernetes.services import VersionService
from kleverroutes.routing import HeaderCondition, Mirroring, RoutedVersion, Rule, ServingRoute, Share, cookie_rules
from kleverroutes.versions import VersionKey
from support.data_planes import version_key, version_route

HTTP_PORT, GRPC_PORT = 8080, 8081


@dataclass
class ServicesOf:
    """Services that are named after their versions.

    Args:
        grpc: the variants whose servers support gRPC.
    """

    grpc: tuple[str, ...] = ()

    def __call__(self, version: VersionKey) -> VersionService:
        name = f"{version.serving.name}-{version.variant}-{version.revision}"
        grpc_port = GRPC_PORT if version.variant in self.grpc else None
        return VersionService(name, version.serving.namespace, HTTP_PORT, grpc_port)


def v2_route(*weighted: tuple[str, int], **changes: Any) -> ServingRoute:
    """A variant for each name, served by a model server of the platform."""
    route = version_route(*weighted)
    versions = tuple(RoutedVersion(version.key) for version in route.versions)
    return replace(route, **{"versions": versions, **changes})


def rule(variant: str, **headers: HeaderMatch) -> Rule:
    """Requests with these headers go to a variant; an underscore in a name is a hyphen."""
    conditions = tuple(HeaderCondition(name.replace("_", "-"), match) for name, match in headers.items())
    return Rule(conditions, (Share(version_key(variant), 100),))


def cookie_route(*weighted: tuple[str, int], cookie: Cookie) -> ServingRoute:
    """Return the route with the rules of a sticky cookie."""
    sticky = Sticky(cookie=cookie)
    route = v2_route(*weighted, sticky=sticky)
    return replace(route, rules=cookie_rules(sticky, route.shares))


HEADER_RULES = (
    rule("v2", x_user=HeaderMatch(exact="ann"), x_region=HeaderMatch(prefix="eu-")),
    rule("v1", x_user=HeaderMatch(regex="a.*")),
)
FEATURES: dict[str, ServingRoute] = {
    "weights": v2_route(("v1", 80), ("v2", 20)),
    "rules": v2_route(("v1", 100), ("v2", 0), rules=HEADER_RULES),
    "mirror": v2_route(("v1", 100), ("v2", 0), mirror=Mirroring(version_key("v2"), 12.5)),
    "sticky-cookie": cookie_route(("v1", 50), ("v2", 50), cookie=Cookie(name="klever", ttl_seconds=60)),
    "sticky-header": v2_route(("v1", 100), sticky=Sticky(header="x-user")),
    "sticky-header-split": v2_route(("v1", 50), ("v2", 50), sticky=Sticky(header="x-user")),
    "request-timeout": v2_route(("v1", 100), timeouts=Timeouts(request_seconds=90.25)),
    "connect-timeout": v2_route(("v1", 100), timeouts=Timeouts(connect_seconds=0.5)),
    "retries": v2_route(("v1", 100), retries=Retries(attempts=2, on_server_error=True, per_try_seconds=1.5)),
    "no-retries": v2_route(("v1", 100), retries=Retries(attempts=0)),
    "grpc": v2_route(("v1", 50), ("v2", 50), rules=(rule("v2", x_user=HeaderMatch(exact="ann")),)),
    "custom-server": version_route(("v1", 100)),
    "scale-to-zero": replace(v2_route(("v1", 100)), versions=(RoutedVersion(version_key("v1"), can_be_idle=True),)),
}
"""Feature of the serving document to a route that uses it."""


def services_of(feature: str) -> ServicesOf:
    """The Services for a route of `FEATURES`."""
    return ServicesOf(grpc=("v2",) if feature == "grpc" else ())
