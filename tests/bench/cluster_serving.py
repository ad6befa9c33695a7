"""Serving on a cluster: from the request until the serving is ready, and the start of the same pod alone, in turn."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import report
from kleverproto.serving_changes import DeployVersion
from support.cluster import programs
from support.cluster.cluster import Cluster, named_by_environment
from support.cluster.gateway import running_gateway
from support.cluster.layout import Layout
from support.cluster.running import running
from support.container_images import platform_images
from support.places.place import Place
from support.places.running import running_on_cluster
from support.small_models import adder
from support.waiting import eventually

ROUNDS = 7
REF = "library/adder:v1"
GOAL = 1.5


@contextmanager
def cluster() -> Iterator[Cluster]:
    """The cluster that KUBECONFIG names, or one of the benchmark's own."""
    if named := named_by_environment():
        yield named
        return
    programs.build()
    with running(Layout(f"klever-bench-{os.getpid()}")) as started:
        yield started


@contextmanager
def api_proxy(target: Cluster) -> Iterator[str]:
    """The URL of a proxy to the API server that needs no credentials."""
    command = [target.layout.program("kubectl"), f"--kubeconfig={target.kubeconfig}", "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        yield f"http://{proxy.stdout.readline().split()[-1]}"
        proxy.terminate()


def pod_of(target: Cluster, namespace: str) -> dict[str, Any]:
    """A pod as the Deployment of a serving starts it, without the labels of the serving."""
    [deployment] = target.get("deployments", "-n", namespace)["items"]
    return {"metadata": {"name": "alone"}, "spec": deployment["spec"]["template"]["spec"]}


async def start_pod(session: aiohttp.ClientSession, pods: str, pod: dict[str, Any]) -> float:
    """Seconds from the creation of a pod until it is ready; deletes it."""
    began = time.perf_counter()
    async with session.post(pods, json=pod) as response:
        response.raise_for_status()
        version = (await response.json())["metadata"]["resourceVersion"]
    watch = {"watch": "1", "resourceVersion": version, "fieldSelector": "metadata.name=alone"}
    async with session.get(pods, params=watch) as events:
        while not is_ready(json.loads(await events.content.readuntil())["object"]):
            pass
    seconds = time.perf_counter() - began
    async with session.delete(f"{pods}/alone", params={"gracePeriodSeconds": "0"}) as response:
        response.raise_for_status()

    async def is_gone() -> bool:
        async with session.get(f"{pods}/alone") as answer:
            return answer.status == 404

    await eventually(is_gone, within=60, every=0.1)
    return seconds


def is_ready(pod: dict[str, Any]) -> bool:
    """Return whether a pod is ready."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


async def deploy(place: Place, name: str) -> float:
    """Seconds from the request until the serving is ready."""
    async with place.platform.client() as client:
        began = time.perf_counter()
        wanted = await client.deploy_version(name, DeployVersion(model=REF), place.namespace)
        await client.wait_for_ready(name, wanted.generation, namespace=place.namespace)
        return time.perf_counter() - began


async def measure(target: Cluster, place: Place, url: str, directory: Path) -> tuple[list[float], list[float]]:
    """Alternate, so that both run under the same conditions."""
    await place.push(adder(directory / "adder", 1), REF)
    pods = f"{url}/api/v1/namespaces/{place.namespace}/pods"
    servings: list[float] = []
    alone: list[float] = []
    async with aiohttp.ClientSession() as session:
        for number in range(ROUNDS):
            name = f"adder-{number}"
            servings.append(await deploy(place, name))
            pod = pod_of(target, place.namespace)
            await place.undeploy(name)
            alone.append(await start_pod(session, pods, pod))
            print(f"serving {servings[-1]:.2f} s, pod alone {alone[-1]:.2f} s", flush=True)
    return servings, alone


def main() -> None:
    """Measure, and write the table."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        target = stack.enter_context(cluster())
        gateway = stack.enter_context(running_gateway(target))
        images = platform_images.load(target)
        (directory / "platform").mkdir()
        place = stack.enter_context(running_on_cluster(target, gateway, images, directory / "platform"))
        url = stack.enter_context(api_proxy(target))
        servings, alone = asyncio.run(measure(target, place, url, directory))
    ratios = [serving / pod for serving, pod in zip(servings, alone, strict=True)]
    figures = [
        report.Figure(f"pod alone: created until ready, median of {ROUNDS}", f"{statistics.median(alone):.2f} s"),
        report.Figure(f"serving: requested until ready, median of {ROUNDS}", f"{statistics.median(servings):.2f} s"),
        report.at_most("serving / pod alone, median of pairs", statistics.median(ratios), GOAL, "x"),
    ]
    report.write("cluster-serving", "uv run task bench:cluster", figures)


if __name__ == "__main__":
    main()
