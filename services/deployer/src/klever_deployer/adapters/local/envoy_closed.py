"""The routes that refuse paths and calls which are not for clients, as plain values of Envoy's v3 API; pure."""

from typing import Any

from kleverroutes.exposed import grpc_expression, http_expression
from kleverroutes.paths import INGRESS

Json = dict[str, Any]

GRPC_SERVICE = "/inference.GRPCInferenceService/"
"""The gRPC service of the Open Inference Protocol."""
SERVING = rf"{INGRESS}[^/]+/[^/]+"


def closed_routes() -> list[Json]:
    """Refusals of every path and call that is not for clients; they precede the routes to model servers."""
    return [
        _refused(INGRESS, http_expression(SERVING), "this path is not for clients of the model"),
        _refused(GRPC_SERVICE, grpc_expression(GRPC_SERVICE), "this call is not for clients of the model"),
    ]


def not_found(match: Json, why: str) -> Json:
    """A route that responds with 404."""
    return {"match": match, "direct_response": {"status": 404, "body": {"inline_string": why}}}


def _refused(prefix: str, allowed: str, why: str) -> Json:
    other = {"name": ":path", "string_match": {"safe_regex": {"regex": allowed}}, "invert_match": True}
    return not_found({"prefix": prefix, "headers": [other]}, why)
