"""HTTPRoutes of a serving (gateway.networking.k8s.io/v1, standard channel)."""

import re
from dataclasses import dataclass

from kleverproto.traffic import HeaderMatch
from kleverroutes.routing import HeaderCondition, Mirroring, ServingRoute
from kleverroutes.versions import VersionKey

from .open_paths import OpenPaths, open_calls, open_paths
from .services import Json, Services
from .splits import Split

MILLION = 1_000_000


@dataclass(frozen=True)
class ExtensionRef:
    """A filter of a gateway's own, in the namespace of the serving."""

    group: str
    kind: str
    name: str


@dataclass(frozen=True)
class GatewayIngress:
    """The gateway by which requests enter, and its extensions for features that the Gateway API lacks."""

    name: str
    namespace: str
    hostnames: tuple[str, ...] = ()
    """All hosts of the gateway if empty."""
    sticky: ExtensionRef | None = None
    """Keeps clients of servings with `traffic.sticky` at a version."""
    retries: ExtensionRef | None = None
    """Retries requests of all servings."""


@dataclass(frozen=True)
class HttpRoutes:
    """Renders the HTTPRoutes of a serving.

    Args:
        route: route of the serving.
        ingress: gateway by which requests enter.
        services: services of the versions.
    """

    route: ServingRoute
    ingress: GatewayIngress
    services: Services

    def by_path(self, splits: list[Split]) -> list[Json]:
        """An HTTPRoute for each group of paths that clients may use; the groups do not overlap."""
        return [self._render(paths, splits) for paths in open_paths(self.route)]

    def by_call(self, splits: list[Split]) -> Json:
        """The HTTPRoute of gRPC calls, to Services whose port has the `appProtocol` kubernetes.io/h2c.

        A GRPCRoute has no timeouts, and a gateway does not accept both kinds of routes for one host.
        """
        return self._render(open_calls(self.route), splits)

    def _render(self, paths: OpenPaths, splits: list[Split]) -> Json:
        serving = self.route.serving
        return {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": f"{serving.name}{paths.suffix}", "namespace": serving.namespace},
            "spec": {
                "parentRefs": [{"name": self.ingress.name, "namespace": self.ingress.namespace}],
                **({"hostnames": list(self.ingress.hostnames)} if self.ingress.hostnames else {}),
                "rules": [self._rule(paths, split) for split in splits],
            },
        }

    def _rule(self, paths: OpenPaths, split: Split) -> Json:
        mirrors = [] if self.route.mirror is None else self._mirrors(self.route.mirror, is_grpc=paths.is_grpc)
        filters = [*paths.rewrites(), *mirrors, *self._extensions()]
        return {
            "matches": [{"path": path, **_headers(paths, split)} for path in paths.paths()],
            **({"filters": filters} if filters else {}),
            "backendRefs": [
                {**self._backend(version, is_grpc=paths.is_grpc), "weight": percent}
                for version, percent in split.percents.items()
            ],
            "timeouts": {"request": duration(self.route.timeouts.request_seconds)},
        }

    def _backend(self, version: VersionKey, *, is_grpc: bool) -> Json:
        service = self.services(version)
        port = service.grpc_port if is_grpc else service.http_port
        return {"name": service.name, "namespace": service.namespace, "port": port}

    def _mirrors(self, mirror: Mirroring, *, is_grpc: bool) -> list[Json]:
        backend = self._backend(mirror.version, is_grpc=is_grpc)
        if backend["port"] is None:
            return []
        return [{"type": "RequestMirror", "requestMirror": {"backendRef": backend, **_fraction(mirror.percent)}}]

    def _extensions(self) -> list[Json]:
        sticky = self.ingress.sticky if self.route.sticky is not None else None
        used = [extension for extension in (sticky, self.ingress.retries) if extension is not None]
        return [{"type": "ExtensionRef", "extensionRef": dict(vars(extension))} for extension in used]


def duration(seconds: float) -> str:
    """A duration as the Gateway API writes it (GEP-2257), in milliseconds at the finest."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    parts = (f"{whole}s" if whole else "", f"{milliseconds}ms" if milliseconds else "")
    return "".join(parts)


def _headers(paths: OpenPaths, split: Split) -> Json:
    headers = [*paths.headers(), *map(_header, split.conditions)]
    return {"headers": headers} if headers else {}


def _header(condition: HeaderCondition) -> Json:
    return {"name": condition.name, **_value(condition.match)}


def _value(match: HeaderMatch) -> Json:
    """The Gateway API has no prefixes, and leaves the support and the syntax of expressions to gateways."""
    if match.exact is not None:
        return {"value": match.exact}
    expression = match.regex if match.prefix is None else f"{re.escape(match.prefix)}.*"
    return {"type": "RegularExpression", "value": expression}


def _fraction(percent: float) -> Json:
    if percent == int(percent):
        return {"percent": int(percent)}
    return {"fraction": {"numerator": round(percent * MILLION / 100), "denominator": MILLION}}
