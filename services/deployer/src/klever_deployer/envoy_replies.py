"""What the ingress itself answers, where no model server does, in their form; as plain values of the v3 API."""

from typing import Any

Json = dict[str, Any]

HEADERS_KIB = 60
HEADERS = 1000
"""Headers of one request; both are a little less than what stands behind the ingress takes."""
SENTENCES = {
    400: "the request is not valid HTTP",
    431: f"the request's headers have more than {HEADERS_KIB} KiB, or are more than {HEADERS}",
}
"""For what Envoy says nothing about, or only in its own words."""
RESOURCE_EXHAUSTED = "8"
"""The status of gRPC for a message that is too large, where Envoy would say unknown."""


def local_replies(limit: int) -> Json:
    """Every error of the ingress as `{"error": …}`.

    Args:
        limit: bytes of a request.
    """
    too_large = f"the request has more than {limit} bytes"
    grpc = {"header_filter": {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}}}
    exhausted = {
        "filter": {"and_filter": {"filters": [_status(413), grpc]}},
        "body_format_override": {"text_format_source": {"inline_string": too_large}},
        "headers_to_add": [{"header": {"key": "grpc-status", "value": RESOURCE_EXHAUSTED}}],
    }
    sentences = SENTENCES | {413: too_large}
    said = [{"filter": _status(code), "body_format_override": _error(text)} for code, text in sentences.items()]
    return {"mappers": [exhausted, *said], "body_format": _error("%LOCAL_REPLY_BODY%")}


def _status(code: int) -> Json:
    value = {"default_value": code, "runtime_key": f"klever.local_reply_{code}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _error(text: str) -> Json:
    return {"json_format": {"error": text}}
