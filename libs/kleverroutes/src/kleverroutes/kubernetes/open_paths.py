"""The paths and calls that clients may use, in the terms of the Gateway API: everything else is answered with 404."""

from dataclasses import dataclass

from kleverroutes.paths import path_prefix
from kleverroutes.routing import ServingRoute
from kleverroutes.versions import ServingName
from kleverserve.client_paths import CALLS, GRPC_SERVICE

from .services import Json

SUBTREES = {
    "": "/v2/models/{name}",
    ".health": "/v2/health",
    ".openscoring": "/openscoring/model/{name}",
    ".invocations": "/invocations",
    ".ping": "/ping",
}
"""Suffix of the HTTPRoute's name to the paths that it opens; a rule that rewrites paths matches one prefix only.

No name of a serving contains a dot, so that no two servings have a route of the same name.
"""


@dataclass(frozen=True)
class OpenPaths:
    """Paths that one HTTPRoute matches."""

    suffix: str
    """Part of the route's name after that of the serving."""
    prefix: str
    """Beginning of the paths; for gRPC calls, the path of the service."""
    rewritten: str = ""
    """Replacement of the prefix; unused by gRPC."""
    serving: ServingName | None = None
    """Serving of the calls, matched by the headers that name it; None for HTTP."""

    @property
    def is_grpc(self) -> bool:
        """True if these are gRPC calls."""
        return self.serving is not None

    def paths(self) -> list[Json]:
        """The matches of paths."""
        if self.is_grpc:
            return [{"type": "Exact", "value": f"{self.prefix}{call}"} for call in CALLS]
        return [{"type": "PathPrefix", "value": self.prefix}]

    def headers(self) -> list[Json]:
        """The matches of headers, beside those of a rule."""
        if self.serving is None:
            return []
        return [{"name": "seldon", "value": self.serving.name}, {"name": "namespace", "value": self.serving.namespace}]

    def rewrites(self) -> list[Json]:
        """The filters that give a model server its own paths."""
        if self.is_grpc:
            return []
        path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": self.rewritten}
        return [{"type": "URLRewrite", "urlRewrite": {"path": path}}]


def open_paths(route: ServingRoute) -> list[OpenPaths]:
    """The paths of a model server, in groups that do not overlap; all paths of a custom server."""
    prefix = path_prefix(route.serving).rstrip("/")
    if route.is_custom:
        return [OpenPaths("", prefix, "/")]
    groups = {suffix: path.format(name=route.serving.name) for suffix, path in SUBTREES.items()}
    return [OpenPaths(suffix, f"{prefix}{path}", path) for suffix, path in groups.items()]


def open_calls(route: ServingRoute) -> OpenPaths:
    """The gRPC calls of a model server."""
    return OpenPaths(".grpc", GRPC_SERVICE, serving=route.serving)
