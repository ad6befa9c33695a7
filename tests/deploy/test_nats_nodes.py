"""The configuration of NATS in the Helm chart, with the credentials of its Job, in real servers."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from klever.platform.cluster_credentials import ACCOUNTS, ROUTES, ROUTES_PORT, completed
from kleverproto.streams import BUCKETS, LEASES_BUCKET, POSITIONS_BUCKET, STREAMS
from support.helm import CASES, environment, of_kind, rendered
from support.nats_server import NatsServer, binary
from support.processes import free_port
from support.replicas import ReplicaProcess
from support.waiting import eventually

NODES = ("node-0", "node-1", "node-2")
STORED = [*(each.name for each in STREAMS), *(each.stream for each in (*BUCKETS, POSITIONS_BUCKET, LEASES_BUCKET))]


def configuration(case: str = "default") -> str:
    """The file in the ConfigMap of a case; empty if it has none."""
    maps = [each for each in of_kind(rendered(case), "ConfigMap") if "nats-server.conf" in each["data"]]
    return str(maps[0]["data"]["nats-server.conf"]) if maps else ""


@pytest.mark.parametrize("case", CASES)
def test_the_server_accepts_the_configuration(case: str, tmp_path: Path) -> None:
    if not (text := configuration(case)):
        assert not [
            each for each in of_kind(rendered(case), "StatefulSet") if each["metadata"]["name"] == "klever-nats"
        ]
        return
    file = tmp_path / "nats-server.conf"
    file.write_text(text.replace("/data", str(tmp_path)))
    for name, content in completed({}, NODES).items():
        (tmp_path / name).write_text(content)
    command = [binary("nats-server"), "-t", "--config", str(file)]
    completed_process = subprocess.run(command, env={"POD_NAME": "node-0"}, capture_output=True, text=True, check=False)
    assert completed_process.returncode == 0, completed_process.stderr


class Node(NatsServer):
    """One node, on loopback in place of a pod.

    Args:
        directory: existing.
        name: name of the pod.
        entries: entries of the Secret, with routes to loopback.
        routes: port for other nodes.
    """

    def __init__(self, directory: Path, name: str, entries: dict[str, str], routes: int) -> None:
        self.monitor = free_port()
        for file in (ACCOUNTS, ROUTES):
            (directory / file).write_text(entries[file])
        text = configuration().replace("$POD_NAME", name).replace("pid_file: /tmp", f"pid_file: {directory}")
        text = text.replace(f"port: {ROUTES_PORT}", f'listen: "127.0.0.1:{routes}"')
        text = text.replace("http_port: 8222", f'http: "127.0.0.1:{self.monitor}"')
        text = text.replace("store_dir: /data", f"store_dir: {directory}")
        super().__init__(directory, config=text, jetstream=False)  # the configuration enables it

    def status(self, path: str) -> int:
        """The status of the response of the monitoring port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}{path}", timeout=2) as response:
                return int(response.status)
        except OSError:
            return 0

    def connected_nodes(self) -> int:
        """The number of routes, each of which has several connections."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/routez", timeout=2) as response:
            return len({each["remote_name"] for each in json.load(response)["routes"]})


def on_loopback(entries: dict[str, str], ports: dict[str, int]) -> dict[str, str]:
    """The entries with routes to ports of loopback."""
    routes = entries[ROUTES]
    for name, port in ports.items():
        routes = routes.replace(f"{name}:{ROUTES_PORT}", f"127.0.0.1:{port}")
    return {**entries, ROUTES: routes}


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[dict[str, Node]]:
    """Three nodes that run; their credentials are in files beside them."""
    ports = {name: free_port() for name in NODES}
    entries = on_loopback(completed({}, NODES), ports)
    for name, content in entries.items():
        (tmp_path / name).write_text(content)
    with ExitStack() as stack:
        running = {}
        for name, port in ports.items():
            (tmp_path / name).mkdir()
            running[name] = Node(tmp_path / name, name, entries, port)
            stack.callback(running[name].stop)
            running[name].start(within=60)
        yield running


@asynccontextmanager
async def operator(nodes: dict[str, Node], directory: Path) -> AsyncIterator[Client]:
    """A client with the operator's key."""
    urls = [each.url for each in nodes.values()]
    client = await nats.connect(urls, nkeys_seed=str(directory / "operator.nk"), max_reconnect_attempts=-1)
    yield client
    await client.close()


@pytest.mark.timeout(300)
async def test_three_nodes_store_each_stream_three_times(nodes: dict[str, Node], tmp_path: Path) -> None:
    probes = set(re.findall(r"/healthz\?[-=a-z]+", json.dumps(rendered("default"))))
    assert len(probes) == 2

    async def are_healthy() -> bool:
        return all(each.status(path) == 200 for each in nodes.values() for path in probes)

    await eventually(are_healthy, within=60)
    replicas = int(environment(rendered("default"), "topology")["KLEVER_TOPOLOGY_STREAM_REPLICAS"])
    urls = ",".join(each.url for each in nodes.values())
    settings = {"nats_url": urls, "nats_credentials": str(tmp_path / "topology.nk"), "stream_replicas": replicas}
    service = ReplicaProcess("topology", 1, tmp_path, settings)
    service.command = [sys.executable, "-m", "kleverkit.topology_service"]
    with service:
        await eventually(service.reports_ready, within=120, every=0.2)
        async with operator(nodes, tmp_path) as client:
            infos = [await client.jetstream().stream_info(name) for name in STORED]
            assert {info.config.num_replicas for info in infos} == {3}


@pytest.mark.timeout(200)
async def test_a_server_without_the_password_joins_no_cluster(nodes: dict[str, Node], tmp_path: Path) -> None:
    async def are_connected() -> bool:
        return all(each.connected_nodes() == len(NODES) - 1 for each in nodes.values())

    await eventually(are_connected, within=60)
    text = (tmp_path / ROUTES).read_text()
    password = json.loads(text)["authorization"]["password"]
    (tmp_path / "stranger").mkdir()
    entries = {ACCOUNTS: (tmp_path / ACCOUNTS).read_text(), ROUTES: text.replace(password, "wrong")}
    stranger = Node(tmp_path / "stranger", "stranger", entries, free_port())
    stranger.start(within=60)
    try:

        async def is_refused() -> bool:
            logs = [(tmp_path / name / "nats.log").read_text() for name in NODES]
            return any("authentication error" in text.lower() for text in logs)

        await eventually(is_refused, within=60)
        assert stranger.connected_nodes() == 0
    finally:
        stranger.stop()
    await eventually(are_connected, within=60)
