"""Error responses of the ingress in the format of model servers, as plain values of the v3 API."""

from typing import Any

Json = dict[str, Any]

HEADERS_KIB = 60
HEADERS = 1000
"""Headers of one request; both limits are slightly lower than those of the servers behind the ingress."""
SENTENCES = {
    400: "the request is not valid HTTP",
    431: f"the request's headers have more than {HEADERS_KIB} KiB, or are more than {HEADERS}",
}
"""Replacements for empty or unclear messages of Envoy."""
BODY = "%LOCAL_REPLY_BODY%"
"""Envoy's own message."""
BY_GRPC: Json = {"header_filter": {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}}}
GRPC_STATUSES = {413: "8", 415: "12"}
"""RESOURCE_EXHAUSTED and UNIMPLEMENTED, instead of Envoy's UNKNOWN."""


def local_replies(limit: int) -> Json:
    """Formats every error of the ingress as `{"error": …}`, and as plain text for gRPC, which has a field for it.

    Args:
        limit: the limit for a request, in bytes.
    """
    too_large = f"the request has more than {limit} bytes"
    grpc = [_by_grpc(code, status, {413: too_large}.get(code, BODY)) for code, status in GRPC_STATUSES.items()]
    sentences = SENTENCES | {413: too_large}
    by_status = [{"filter": _status(code), "body_format_override": _error(text)} for code, text in sentences.items()]
    plain = {"filter": BY_GRPC, "body_format_override": _sentence(BODY)}
    return {"mappers": [*grpc, plain, *by_status], "body_format": _error(BODY)}


def _by_grpc(code: int, status: str, text: str) -> Json:
    return {
        "filter": {"and_filter": {"filters": [_status(code), BY_GRPC]}},
        "body_format_override": _sentence(text),
        "headers_to_add": [{"header": {"key": "grpc-status", "value": status}}],
    }


def _status(code: int) -> Json:
    value = {"default_value": code, "runtime_key": f"klever.local_reply_{code}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _sentence(text: str) -> Json:
    return {"text_format_source": {"inline_string": text}}


def _error(text: str) -> Json:
    return {"json_format": {"error": text}}
