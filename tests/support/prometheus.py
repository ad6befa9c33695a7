"""A real Prometheus on the loopback address, and small exporters that it scrapes."""

import json
import shutil
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from klever_deployer.domain.analysis import Counts
from support.processes import ServerProcess, free_port

INTERVAL = "200ms"
LOOPBACK = "127.0.0.1"


@dataclass
class Prometheus:
    """A running Prometheus."""

    url: str
    process: ServerProcess


@contextmanager
def running_prometheus(directory: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Runs Prometheus. Skips if it is not installed.

    Args:
        directory: directory for its files.
        targets: addresses (`host:port`) that it scrapes, and the paths of their metrics.
    """
    if (program := shutil.which("prometheus")) is None:
        pytest.skip("the analysis of rollouts by Prometheus is NOT TESTED here: Debian's prometheus is missing")
    directory.mkdir(exist_ok=True)
    jobs = [
        {"job_name": address, "metrics_path": path, "static_configs": [{"targets": [address]}]}
        for address, path in targets.items()
    ]
    interval = {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL}
    configuration = directory / "prometheus.yml"
    configuration.write_text(json.dumps({"global": interval, "scrape_configs": jobs}))
    port = free_port()
    command = [
        *(program, f"--config.file={configuration}", f"--storage.tsdb.path={directory / 'data'}"),
        *(f"--web.listen-address={LOOPBACK}:{port}", "--log.level=warn"),
    ]
    process = ServerProcess(command, directory / "prometheus.log", lambda: _is_ready(port))
    process.start(within=60)
    try:
        yield Prometheus(f"http://{LOOPBACK}:{port}", process)
    finally:
        process.stop()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/-/ready", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@dataclass
class Exporter:
    """Exposes metrics like a replica of the gateway."""

    address: str
    text: str = ""
    is_down: bool = False


@asynccontextmanager
async def running_exporter(render: Callable[[], str] | None = None) -> AsyncIterator[Exporter]:
    """Runs an exporter.

    Args:
        render: the metrics; by default `Exporter.text`.
    """

    async def metrics(_request: web.Request) -> web.Response:
        if exporter.is_down:
            raise web.HTTPServiceUnavailable
        return web.Response(text=exporter.text if render is None else render())

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    async with TestServer(application, host=LOOPBACK) as server:
        exporter = Exporter(f"{LOOPBACK}:{server.port}")
        yield exporter


def istio_metrics(service: str, counts: Counts, milliseconds: float = 0.0) -> str:
    """Istio's standard metrics of requests to a Service, as the gateway and the server's proxy report them.

    Args:
        service: the host of the Service.
        counts: the requests.
        milliseconds: the sum of their durations.
    """
    lines = []
    # The server's own proxy reports the same requests; they must not be counted twice.
    for reporter in ("source", "destination"):
        labels = f'reporter="{reporter}",source_workload="gateway",destination_service="{service}"'
        for code, number in ((200, counts.requests - counts.errors), (503, counts.errors)):
            lines.append(f'istio_requests_total{{{labels},response_code="{code}"}} {number}')
        duration = "istio_request_duration_milliseconds"
        for upper, number in counts.latencies:
            bound = "+Inf" if upper == float("inf") else f"{upper:g}"
            lines.append(f'{duration}_bucket{{{labels},response_code="200",le="{bound}"}} {number}')
        lines.append(f'{duration}_sum{{{labels},response_code="200"}} {milliseconds}')
    return "\n".join(lines) + "\n"
