"""The paths and calls that clients may use, in the terms of the Gateway API: everything else is answered with 404."""

from dataclasses import dataclass

from klever_deployer.domain.paths import path_prefix
from klever_deployer.domain.routing import ServingRoute
from kleverserve.client_paths import CALLS, GRPC_SERVICE

from .services import Json

SUBTREES = {
    "": "/v2/models/{name}",
    ".health": "/v2/health",
    ".openscoring": "/openscoring/model/{name}",
    ".invocations": "/invocations",
    ".ping": "/ping",
}
"""Suffix of the HTTPRoute's name to what it opens; a rule that rewrites paths matches one prefix only.

No name of a serving contains a dot, so that no two servings have a route of the same name.
"""


@dataclass(frozen=True)
class OpenPaths:
    """Paths that one HTTPRoute matches."""

    suffix: str
    """Of its name, after that of the serving."""
    paths: tuple[Json, ...]
    headers: tuple[Json, ...] = ()
    """Matched as well."""
    rewrites: tuple[Json, ...] = ()
    is_grpc: bool = False


def open_paths(route: ServingRoute) -> list[OpenPaths]:
    """The paths of a model server, in groups that do not overlap; all paths of a custom server."""
    if route.is_custom:
        return [_subtree(route, "", "")]
    return [_subtree(route, suffix, path.format(name=route.serving.name)) for suffix, path in SUBTREES.items()]


def open_calls(route: ServingRoute) -> OpenPaths:
    """The gRPC calls of a model server, with the headers that name the serving."""
    serving = route.serving
    return OpenPaths(
        ".grpc",
        tuple({"type": "Exact", "value": f"{GRPC_SERVICE}{call}"} for call in CALLS),
        ({"name": "seldon", "value": serving.name}, {"name": "namespace", "value": serving.namespace}),
        is_grpc=True,
    )


def _subtree(route: ServingRoute, suffix: str, path: str) -> OpenPaths:
    prefix = {"type": "PathPrefix", "value": f"{path_prefix(route.serving).rstrip('/')}{path}"}
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": path or "/"}}
    return OpenPaths(suffix, (prefix,), rewrites=({"type": "URLRewrite", "urlRewrite": rewrite},))
