"""CNCF distribution, the most common registry, as a process or a container."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.processes import ServerProcess, answers, free_port

PROGRAM = "docker-registry"
IMAGE = "registry:2.8.3"
HTTP_PORT = 5000


@dataclass(frozen=True)
class Endpoint:
    """The endpoint for the registry's notifications."""

    url: str
    headers: dict[str, list[str]]
    name: str = "klever"
    timeout: str = "2s"
    threshold: int = 3
    backoff: str = "200ms"


@contextmanager
def distribution(directory: Path, *endpoints: Endpoint) -> Iterator[str]:
    """The host:port of the registry; a container if KLEVER_TEST_SERVERS=containers. Skips if it is not installed.

    A registry that sends notifications is always a process: a container cannot reach a server on loopback.
    """
    if not endpoints and os.environ.get("KLEVER_TEST_SERVERS") == "containers":
        yield from _container()
        return
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed here: apt install docker-registry")
    port = free_port()
    server = ServerProcess(
        [PROGRAM, "serve", str(_configuration(directory, port, endpoints))],
        directory / "registry.log",
        lambda: answers(port),
    )
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop()


def _configuration(directory: Path, port: int, endpoints: tuple[Endpoint, ...]) -> Path:
    path = directory / "registry.yml"
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "notifications": {"endpoints": [asdict(endpoint) for endpoint in endpoints]},
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def _container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - only where an engine answers
    from testcontainers.core.wait_strategies import HttpWaitStrategy  # noqa: PLC0415 - as above

    container = DockerContainer(IMAGE).with_exposed_ports(HTTP_PORT)
    with container.waiting_for(HttpWaitStrategy(HTTP_PORT, "/v2/")) as running:
        yield f"{running.get_container_host_ip()}:{running.get_exposed_port(HTTP_PORT)}"
