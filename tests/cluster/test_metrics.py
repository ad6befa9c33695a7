"""The resource metrics of pods are available, and replicas follow them up and down."""

import asyncio
from functools import partial
from typing import Any

import aiohttp

from kleverkube.autoscalers import autoscaler
from kleverkube.options import ClusterOptions
from kleverproto.variants import Autoscaling, Resources
from support.cluster.cluster import Cluster
from support.served_versions import served
from support.waiting import eventually

WITHIN = 180.0
CPU = "20m"
PORT = 9000
SCALED = Autoscaling(min_replicas=1, max_replicas=2, scale_down_seconds=5)
SERVER = r"""
mkdir -p /tmp/www/cgi-bin && cd /tmp/www && echo up > index.html
cat > cgi-bin/compute <<'END'
#!/bin/sh
i=0
while [ $i -lt 20000 ]; do i=$((i + 1)); done
printf 'Content-Type: text/plain\r\n\r\ndone\n'
END
chmod +x cgi-bin/compute
exec busybox httpd -f -p 9000 -h /tmp/www
"""


async def test_use_of_the_node_is_reported(cluster: Cluster) -> None:
    async def top() -> str:
        return cluster.kubectl("top", "nodes", "--no-headers")

    name, cpu, _, memory, _ = (await eventually(top, within=WITHIN, every=1)).split()[:5]
    assert name == cluster.get("nodes")["items"][0]["metadata"]["name"]
    assert cpu.endswith("m")
    assert memory.endswith("Mi")


async def test_replicas_of_a_version_follow_the_load(own_cluster: Cluster, cluster_namespace: str) -> None:
    """The autoscaler is Klever's; a small server that computes for each request stands for a model server."""
    version = served(namespace=cluster_namespace, autoscaling=SCALED, resources=Resources(cpu=CPU))
    scaler = autoscaler(version, ClusterOptions())
    assert scaler is not None
    name = scaler["metadata"]["name"]
    own_cluster.apply(*deployment_and_service(own_cluster, cluster_namespace, name), scaler)

    async def replicas() -> int:
        status: dict[str, Any] = own_cluster.get("deployment", name, "-n", cluster_namespace)["status"]
        return int(status.get("readyReplicas", 0))

    async def are(number: int) -> bool:
        return await replicas() == number

    await eventually(partial(are, 1), within=WITHIN, every=0.5)
    address = own_cluster.get("service", name, "-n", cluster_namespace)["spec"]["clusterIP"]
    with own_cluster.forward(address, PORT) as port:
        load = [asyncio.create_task(ask(f"http://127.0.0.1:{port}/cgi-bin/compute")) for _ in range(2)]
        try:
            await eventually(partial(are, 2), within=WITHIN, every=1)
        finally:
            for task in load:
                task.cancel()
            await asyncio.gather(*load, return_exceptions=True)
    await eventually(partial(are, 1), within=WITHIN, every=1)


async def ask(url: str) -> None:
    """Send a request after each response, until cancelled."""
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as response:
                    await response.read()
            except aiohttp.ClientError:
                await asyncio.to_thread(lambda: None)  # a pod is starting or stopping


def deployment_and_service(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    labels, metadata = {"app": name}, {"name": name, "namespace": namespace}
    container = {
        "name": "main",
        "image": cluster.busybox,
        "command": ["sh", "-c", SERVER],
        "readinessProbe": {"httpGet": {"port": PORT, "path": "/index.html"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": CPU}, "limits": {"cpu": "100m"}},
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    spec = {"selector": {"matchLabels": labels}, "template": template}
    service = {"selector": labels, "ports": [{"port": PORT}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]
