"""The trace that the requests of a command continue."""

import os
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider

from ormb.tracing import trace_headers

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROGRAM = (
    "import os\nfrom ormb.tracing import begin_trace, trace_headers\nbegin_trace(os.environ)\nprint(trace_headers())"
)


def headers_of_a_command(traceparent: str) -> str:
    """Entry points change the state of their process, so that each needs its own."""
    command = [sys.executable, "-c", PROGRAM]
    environment = os.environ | {"TRACEPARENT": traceparent}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_a_command_continues_the_trace_of_its_environment() -> None:
    assert headers_of_a_command(GIVEN) == str({"traceparent": GIVEN})


@pytest.mark.parametrize("value", ["", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01", f"{GIVEN}-more", f"{GIVEN}\n"])
def test_a_command_without_a_valid_trace_begins_one(value: str) -> None:
    header = headers_of_a_command(value)
    assert header.startswith("{'traceparent': '00-")
    assert GIVEN not in header


def test_a_library_continues_the_present_span_and_has_no_trace_otherwise() -> None:
    assert trace_headers() == {}
    with TracerProvider().get_tracer("test").start_as_current_span("push") as span:
        (traceparent,) = trace_headers().values()
    assert traceparent.split("-")[1] == f"{span.get_span_context().trace_id:032x}"
    assert trace_headers() == {}
