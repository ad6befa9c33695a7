"""Spans and durations of HTTP requests, by route."""

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from kleverkit.health import Health, add_health_routes
from kleverkit.http_telemetry import measured, traced

DURATION = "http_server_request_duration_seconds_count"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def read(request: web.Request) -> web.Response:
    if request.match_info["name"] == "gone":
        raise web.HTTPGone
    if request.match_info["name"] == "broken":
        raise RuntimeError
    return web.Response()


class Served:
    def __init__(self) -> None:
        self.metrics = CollectorRegistry()
        self.spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.app = web.Application(middlewares=[measured(self.metrics), traced(provider.get_tracer("test"))])
        self.app.router.add_route("*", "/things/{name}", read)
        add_health_routes(self.app, Health(), self.metrics)

    def count(self, method: str, route: str, status: str) -> float | None:
        labels = {"http_request_method": method, "http_route": route, "http_response_status_code": status}
        return self.metrics.get_sample_value(DURATION, labels)


async def test_requests_are_measured_by_route_method_and_status() -> None:
    served = Served()
    async with TestClient(TestServer(served.app)) as client:
        for name in ("one", "another", "gone", "broken"):
            await client.get(f"/things/{name}")
        await client.request("PROPFIND", "/things/one")
        await client.get("/nowhere/at/all")
    assert served.count("GET", "/things/{name}", "200") == 2
    assert served.count("GET", "/things/{name}", "410") == 1
    assert served.count("GET", "/things/{name}", "500") == 1
    assert served.count("_OTHER", "/things/{name}", "200") == 1
    assert served.count("GET", "unmatched", "404") == 1


async def test_a_span_continues_the_trace_of_the_caller_and_probes_have_none() -> None:
    served = Served()
    async with TestClient(TestServer(served.app)) as client:
        await client.get("/things/one", headers={"traceparent": TRACEPARENT})
        await client.get("/healthz")
        await client.get("/metrics")
    (span,) = served.spans.get_finished_spans()
    assert span.name == "GET /things/{name}"
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACEPARENT.split("-")[1]
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200


async def test_openmetrics_has_the_trace_as_an_exemplar() -> None:
    served = Served()
    served.app.middlewares.reverse()
    async with TestClient(TestServer(served.app)) as client:
        await client.get("/things/one", headers={"traceparent": TRACEPARENT})
        response = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        exported = await response.text()
    assert response.content_type == "application/openmetrics-text"
    assert f'# {{trace_id="{TRACEPARENT.split("-")[1]}"}}' in exported
