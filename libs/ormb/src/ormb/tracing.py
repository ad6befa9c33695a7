"""Sends the context of the present trace with requests (W3C Trace Context)."""

import re
import secrets
from collections.abc import Mapping

VARIABLE = "TRACEPARENT"
"""Environment variable with the trace to continue, as in OpenTelemetry's specification for environment variables."""
HEADER = "traceparent"
_VALID = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class _Command:
    """The trace of a command, which has no spans of its own."""

    traceparent = ""


def begin_trace(environment: Mapping[str, str]) -> None:
    """Continue the trace of the environment in all requests of this command, or begin one. For entry points only."""
    given = environment.get(VARIABLE, "")
    _Command.traceparent = given if _VALID.fullmatch(given) else f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def trace_headers() -> dict[str, str]:
    """Return the headers that continue the present span, or the trace of the command; empty if there is neither."""
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - only requests need it
        TraceContextTextMapPropagator,
    )

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    if not headers and _Command.traceparent:
        headers[HEADER] = _Command.traceparent
    return headers
