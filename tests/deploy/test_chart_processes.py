"""The services run with the commands, the settings, the credentials and the accounts of the Helm chart.

A real API server, a real NATS and the services as processes: only nodes, which would run the pods, are missing.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from klever.platform.cluster_credentials import ACCOUNTS, REGISTRY_PASSWORD, TOKEN, completed
from support.chart_cluster import Cluster
from support.chart_processes import ADDRESS, ChartProcesses
from support.commands import Shell
from support.helm import CHART, DEFAULT, NAMESPACE, Object, rendered
from support.nats_server import NatsServer
from support.waiting import eventually

pytestmark = [pytest.mark.api_server, pytest.mark.timeout(400)]

RUN_BY_NODES = ("Deployment", "StatefulSet", "Job", "Pod", "PersistentVolumeClaim")
TEAM = "team-1"
SERVING = {
    "apiVersion": "klever.dev/v1alpha1",
    "kind": "Serving",
    "metadata": {"name": "iris", "namespace": TEAM},
    "spec": {"variants": [{"name": "v1", "model": "library/iris:v1"}]},
}


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    return rendered(DEFAULT, "--set", "nats.replicas=1,serving.backend=plain")


@pytest.fixture
def cluster(kubeconfig: Path, objects: list[Object]) -> Cluster:
    """The API server with all objects of the chart but those that nodes would run."""
    cluster = Cluster(kubeconfig)
    cluster.install_kinds()
    for name in (NAMESPACE, TEAM):
        cluster.create_namespace(name)
    cluster.apply([each for each in objects if each["kind"] not in RUN_BY_NODES], "--force-conflicts")
    return cluster


@pytest.fixture
def entries() -> dict[str, str]:
    return completed({})


@pytest.fixture
def processes(
    objects: list[Object], entries: dict[str, str], cluster: Cluster, tmp_path: Path
) -> Iterator[ChartProcesses]:
    with ExitStack() as stack:
        nats = NatsServer(tmp_path, config=entries[ACCOUNTS])
        stack.callback(nats.stop)
        nats.start()
        processes = ChartProcesses(objects, entries, cluster, tmp_path, nats.url)
        for server in processes.servers.values():
            stack.callback(server.stop)
            server.start(within=60)
        yield processes


@pytest.fixture
def shell(processes: ChartProcesses, entries: dict[str, str], tmp_path: Path) -> Shell:
    """A user with the token of the API and the login of the registry."""
    shell = Shell(tmp_path / "home", tmp_path)
    shell.environment |= {
        "KLEVER_SERVER": processes.url("gateway"),
        "KLEVER_TOKEN": entries[TOKEN],
        "ORMB_USERNAME": "klever",
        "ORMB_PASSWORD": entries[REGISTRY_PASSWORD],
    }
    return shell


async def helm_test(processes: ChartProcesses, **environment: str) -> tuple[int, str]:
    """Run the program of `helm test`. Return its exit code and its output."""
    urls = [processes.url(name) for name in ("gateway", "topology", "registry", "jobrunner", "deployer")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", (CHART / "files/test_platform.py").read_text(), *urls),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_the_platform_serves_what_a_resource_requests(
    processes: ChartProcesses, shell: Shell, cluster: Cluster
) -> None:
    token = {"KLEVER_TOKEN_FILE": str(processes.directory_of("gateway") / "etc" / "token")}
    code, output = await helm_test(processes, **token)
    assert code == 0, output
    assert json.loads(output[output.index("{") :])["urls"]["ingress"] == "http://models.example.com"

    await shell.ok("klever example iris")
    await shell.ok(f"ormb push ./iris 127.0.0.1:{processes.ports['registry']}/library/iris:v1")
    assert "ONNX" in await shell.ok("klever models get library/iris:v1")  # waits until it is parsed
    cluster.apply([SERVING])

    async def deployment() -> Any:
        names = cluster.names("deployments", TEAM)
        return cluster.read("deployment", names.pop(), TEAM) if names else None

    present = await eventually(deployment, within=90, every=0.5)
    [initializer] = present["spec"]["template"]["spec"]["initContainers"]
    assert initializer["image"] == "ghcr.io/kleveross/ormb-storage-initializer:0.1.0"
    assert cluster.read("serving.klever.dev", "iris", TEAM)["status"]["phase"] == "Progressing"
    for name in ("deployer", "jobrunner", "gateway"):
        assert "denied" not in (processes.directory_of(name) / "log").read_text()


async def test_the_test_of_helm_names_a_service_that_is_not_ready(processes: ChartProcesses) -> None:
    processes.servers["jobrunner"].stop()
    code, output = await helm_test(processes, KLEVER_TEST_SECONDS="1")
    assert code == 1
    assert f"{processes.url('jobrunner')} is not ready" in output


def test_pods_reach_the_registry_of_the_chart_without_tls(objects: list[Object]) -> None:
    assert f"http://{ADDRESS}" in json.dumps(objects)
