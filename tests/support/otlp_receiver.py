"""A receiver of spans by OTLP over HTTP, in the process of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Span:
    """A received span; the ids are hexadecimal."""

    service: str
    name: str
    trace: str
    id: str
    parent: str


@dataclass
class OtlpReceiver:
    """The spans that were received."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)

    def of(self, trace: str) -> list[Span]:
        """The spans of a trace."""
        return [span for span in self.spans if span.trace == trace]

    async def receive(self, request: web.Request) -> web.Response:
        """Handle POST /v1/traces."""
        assert request.content_type == PROTOBUF
        exported = ExportTraceServiceRequest.FromString(await request.read())
        for of_resource in exported.resource_spans:
            attributes = {each.key: each.value.string_value for each in of_resource.resource.attributes}
            for of_scope in of_resource.scope_spans:
                self.spans += [
                    Span(attributes["service.name"], s.name, s.trace_id.hex(), s.span_id.hex(), s.parent_span_id.hex())
                    for s in of_scope.spans
                ]
        return web.Response(body=ExportTraceServiceResponse().SerializeToString(), content_type=PROTOBUF)


@asynccontextmanager
async def receiving_spans() -> AsyncIterator[OtlpReceiver]:
    """Run a receiver."""
    receiver, application = OtlpReceiver(), web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_post("/v1/traces", receiver.receive)
    async with TestServer(application) as server:
        receiver.url = f"http://127.0.0.1:{server.port}"
        yield receiver
