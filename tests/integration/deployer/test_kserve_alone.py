"""docs/kserve.md: KServe serves an artifact of a registry without Klever's services.

KServe's own webhook and controller make the pod; its two containers are run here as the pod would run them.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from kleverkube.kserve.operators import STORE
from ormb.client import OrmbClient
from ormb.reference import Reference
from support.kserve import MODE, KServe
from support.processes import free_port
from support.registry_service import running_registry
from support.small_models import adder
from support.v2_client import tensor
from support.waiting import eventually

pytestmark = pytest.mark.api_server

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "kserve.md"
FILES = ("storage-container.yaml", "serving-runtimes.yaml")
NAMESPACE = "kserve-alone"
Pod = dict[str, Any]


@pytest.fixture
def namespace(kserve: KServe) -> Iterator[str]:
    """A namespace in a cluster with the files that an operator applies."""
    kserve.kubectl("create", "namespace", NAMESPACE)
    files = [word for name in FILES for word in ("-f", str(ROOT / "deploy" / "kserve" / name))]
    kserve.kubectl("apply", "--server-side", "--validate=strict", *files)
    yield NAMESPACE
    kserve.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    kserve.kubectl("delete", *files)


def inference_service(uri: str) -> str:
    """The example of the page, for another artifact and the version of KServe that the tests have."""
    [text] = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL) if "storageUri" in block]
    service = yaml.safe_load(text)
    service["metadata"]["annotations"] = {"serving.kserve.io/deploymentMode": MODE}
    service["spec"]["predictor"]["model"]["storageUri"] = uri
    return json.dumps(service)


async def pod_of(kserve: KServe, namespace: str) -> Pod:
    """The pod that KServe's controller and webhook have made."""

    async def pods() -> list[Pod]:
        listed = await asyncio.to_thread(kserve.kubectl, "get", "pods", "-n", namespace, "-o", "json")
        items: list[Pod] = json.loads(listed)["items"]
        return items

    [pod] = await eventually(pods, within=30)
    return pod


def command_of(container: dict[str, Any], models: Path, port: int) -> list[str]:
    """The command of a container on this machine, with its volume and its port."""
    words: list[str] = [*container["command"], *container["args"]]
    here = {
        "ormb-storage-initializer": [sys.executable, "-m", "ormb.cli.initializer"],
        "python": [sys.executable],
    }[words[0]]
    replaced = {STORE: str(models), "8080": str(port), "0.0.0.0": "127.0.0.1"}  # noqa: S104 - as the container has it
    return [*here, *(replaced.get(word, word) for word in words[1:])]


@contextmanager
def running(command: list[str]) -> Iterator[None]:
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


async def test_the_example_of_the_page_is_served(kserve: KServe, namespace: str, nats_url: str, tmp_path: Path) -> None:
    models, port = tmp_path / "models", free_port()
    async with running_registry(tmp_path, nats_url) as registry, OrmbClient(tmp_path / "ormb") as client:
        reference = Reference(registry.address, "library/adder", "v1")
        await client.push_directory(adder(tmp_path / "1", 1), reference)
        kserve.kubectl(
            "apply", "--validate=strict", "-n", namespace, "-f", "-", stdin=inference_service(f"ormb://{reference}")
        )
        pod = await pod_of(kserve, namespace)
        [initializer], [server] = pod["spec"]["initContainers"], pod["spec"]["containers"]
        assert initializer["name"] == "storage-initializer"
        assert {mount["mountPath"] for mount in initializer["volumeMounts"]} >= {STORE}
        initializing = await asyncio.create_subprocess_exec(
            *command_of(initializer, models, port), env={**os.environ, "ROOTPATH": str(tmp_path / "cache")}
        )
        assert await initializing.wait() == 0
    with running(command_of(server, models, port)):
        async with aiohttp.ClientSession() as session:
            ready, live = (server[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe"))

            async def is_ready() -> bool:
                async with session.get(f"http://127.0.0.1:{port}{ready}") as response:
                    return response.status == 200

            await eventually(is_ready, within=60)
            async with session.get(f"http://127.0.0.1:{port}{live}") as response:
                assert response.status == 200
            body = {"inputs": [tensor("x", "FP32", [2], [1.0, 2.0])]}
            async with session.post(f"http://127.0.0.1:{port}/v2/models/mymodel/infer", json=body) as response:
                assert (await response.json())["outputs"][0]["data"] == [2.0, 3.0]
