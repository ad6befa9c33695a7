"""Counters from a real Prometheus, and a Prometheus that is down, refuses, or has nothing."""

import json
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from klever_deployer.adapters.kubernetes.metrics.names import ISTIO
from klever_deployer.adapters.kubernetes.metrics.prometheus import PrometheusClient
from klever_deployer.domain.analysis import Bucket, Counts
from klever_deployer.errors import DataPlaneError
from support.data_planes import version_key
from support.prometheus import Exporter, istio_metrics, running_exporter, running_prometheus
from support.scraped_counts import host_of, prometheus_counts, scraped_counts
from support.waiting import eventually

V1 = version_key("v1")


def expose(exporter: Exporter, requests: int, errors: int = 0, milliseconds: float = 0.0) -> None:
    """Let a replica of the gateway have counted these requests."""
    counts = Counts(requests, errors, (Bucket(5, requests - 1), Bucket(10, requests), Bucket(float("inf"), requests)))
    exporter.text = istio_metrics(host_of(V1), counts, milliseconds)


async def test_replicas_of_the_gateway_are_summed_also_when_one_restarts(tmp_path: Path) -> None:
    async with running_exporter() as one, running_exporter() as two:
        expose(one, 1000)
        expose(two, 500, errors=5)
        async with scraped_counts(tmp_path, one, two) as counts:

            async def total() -> int:
                return (await counts.counts([V1])).get(V1, Counts()).requests

            async def has_both() -> bool:
                return await total() == 1500

            assert await eventually(has_both, within=20)
            expose(one, 7)

            async def has_continued() -> bool:
                return await total() == 1507

            assert await eventually(has_continued, within=20)
            [counted] = (await counts.counts([V1])).values()
            assert (counted.errors, counted.latencies) == (5, (Bucket(5, 1504), Bucket(10, 1507)))


async def test_requests_in_flight_are_those_that_took_the_time(tmp_path: Path) -> None:
    async with running_exporter() as gateway:
        expose(gateway, 10)
        async with scraped_counts(tmp_path, gateway) as counts:
            await eventually(lambda: counts.counts([V1]), within=20)
            busy = 0

            async def are_two() -> bool:
                nonlocal busy
                busy += 1
                expose(gateway, 10 + busy, milliseconds=1e6 * busy)
                return (await counts.counts([V1]))[V1].active > 2

            assert await eventually(are_two, within=20)


async def test_a_gateway_that_is_no_longer_scraped_has_no_counters(tmp_path: Path) -> None:
    async with running_exporter() as gateway:
        expose(gateway, 10)
        async with scraped_counts(tmp_path, gateway, window=2) as counts:
            await eventually(lambda: counts.counts([V1]), within=20)
            gateway.is_down = True

            async def is_refused() -> bool:
                try:
                    await counts.counts([V1])
                except DataPlaneError as error:
                    return "has no istio_requests_total of the last 2 s" in str(error)
                return False

            assert await eventually(is_refused, within=20)
            gateway.is_down = False
            expose(gateway, 12)

            async def has_continued() -> bool:
                return (await counts.counts([V1]))[V1].requests == 12

            assert await eventually(has_continued, within=20)


async def test_a_prometheus_that_is_down_has_no_counters_and_is_asked_again(tmp_path: Path) -> None:
    async with running_exporter() as gateway:
        expose(gateway, 10)
        with running_prometheus(tmp_path, {gateway.address: "/metrics"}) as prometheus:
            async with PrometheusClient(prometheus.url) as client:
                counts = prometheus_counts(client, ISTIO)
                await eventually(lambda: counts.counts([V1]), within=20)
                prometheus.process.stop()
                with pytest.raises(DataPlaneError, match=f"Prometheus at {prometheus.url} are not available"):
                    await counts.counts([V1])
                prometheus.process.start(within=60)

                async def is_back() -> bool:
                    return (await counts.counts([V1]))[V1].requests == 10

                assert await eventually(is_back, within=20)


class ScriptedServer:
    """Answers every query so."""

    def __init__(self) -> None:
        self.status, self.text = 200, ""
        self.headers: dict[str, str] = {}
        self.tokens: list[str | None] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers.get("Authorization"))
        return web.Response(status=self.status, text=self.text, headers=self.headers)


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[ScriptedServer, str]]:
    server = ScriptedServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(application, host="127.0.0.1") as running:
        yield server, str(running.make_url("/prefix/"))


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (401, "who are you", "status 401"),
        (422, json.dumps({"status": "error", "error": "too many samples"}), "status 422 too many samples"),
        (200, "<html>", "status 200"),
        (200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [{}]}}), "not valid"),
        (200, json.dumps({"status": "success", "warnings": ["store 2 is down"], "data": {}}), "store 2 is down"),
        (200, json.dumps([]), "status 200"),
        (302, "", "status 302"),
    ],
)
async def test_a_query_that_has_no_whole_result_is_an_error(
    scripted: tuple[ScriptedServer, str], status: int, text: str, reason: str
) -> None:
    server, url = scripted
    server.status, server.text, server.headers = status, text, {"Location": "/elsewhere"}
    async with PrometheusClient(url) as client:
        with pytest.raises(DataPlaneError, match=reason):
            await client.query("up")
    assert len(server.tokens) == 1


async def test_the_token_is_read_for_each_query(scripted: tuple[ScriptedServer, str], tmp_path: Path) -> None:
    server, url = scripted
    server.text = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}})
    file = tmp_path / "token"
    async with PrometheusClient(url, file) as client:
        with pytest.raises(DataPlaneError, match="No such file"):
            await client.query("up")
        for token in ("first", "second"):
            file.write_text(f"{token}\n")
            assert await client.query("up") == []
    assert server.tokens == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_file_without_certificate_authorities_is_an_error(tmp_path: Path, content: str | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    with pytest.raises(DataPlaneError, match="has no certificate authorities"):
        async with PrometheusClient("https://127.0.0.1", ca_file=ca_file):
            pass


async def test_only_a_server_with_a_certificate_of_the_given_authorities_is_asked(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    names = ("-subj", "/CN=prometheus", "-addext", "subjectAltName=IP:127.0.0.1")
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run(  # noqa: ASYNC221 - milliseconds
        [*new, *names, "-out", str(certificate), "-keyout", str(key)], check=True, capture_output=True
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": []}})

    application = web.Application()
    application.router.add_post("/api/v1/query", answer)
    server = TestServer(application, host="127.0.0.1", scheme="https")
    await server.start_server(ssl=tls)
    async with server:
        url = f"https://127.0.0.1:{server.port}"
        async with PrometheusClient(url, ca_file=certificate) as client:
            assert await client.query("up") == []
        async with PrometheusClient(url) as client:
            with pytest.raises(DataPlaneError, match="certificate verify failed"):
                await client.query("up")
