"""kwok simulates nodes: beside the real one, and where no real node is possible."""

import json
import os
from typing import Any

import pytest

from support.cluster import leftovers, programs, requirements
from support.cluster.cluster import Cluster
from support.cluster.layout import Layout
from support.cluster.objects import HOSTNAME, simulated_node
from support.cluster.running import running
from support.waiting import eventually

WITHIN = 90.0
GPU = "nvidia.com/gpu"


async def test_simulated_node_beside_the_real_one_has_gpus(own_cluster: Cluster, cluster_namespace: str) -> None:
    own_cluster.start("kwok")
    own_cluster.kubectl("create", "--filename=-", stdin=json.dumps(simulated_node("gpus", **{GPU: "8"})))
    try:
        own_cluster.apply(deployment(cluster_namespace, node="gpus", resources={GPU: "4"}))
        await available(own_cluster, cluster_namespace)
    finally:
        own_cluster.kubectl("delete", "node", "gpus")
        own_cluster.stop("kwok")


async def test_cluster_without_a_real_node_runs_deployments() -> None:
    if reason := requirements.missing_for_control_plane():
        pytest.skip(f"this machine cannot run a Kubernetes control plane: {reason}")
    programs.build()
    leftovers.remove()
    with (
        running(Layout(f"klever-simulated-{os.getpid()}", simulated=True)) as cluster,
        cluster.namespace() as namespace,
    ):
        cluster.apply(deployment(namespace, node="node1", resources={}))
        await available(cluster, namespace)


def test_every_machine_has_a_cluster_with_a_ready_node(any_cluster: Cluster) -> None:
    conditions = any_cluster.get("nodes")["items"][0]["status"]["conditions"]
    assert ("Ready", "True") in {(each["type"], each["status"]) for each in conditions}


async def available(cluster: Cluster, namespace: str) -> None:
    async def has_available_replicas() -> bool:
        status: dict[str, int] = cluster.get("deployment", "web", "-n", namespace)["status"]
        return status.get("availableReplicas") == 2

    await eventually(has_available_replicas, within=WITHIN, every=0.2)


def deployment(namespace: str, *, node: str, resources: dict[str, str]) -> dict[str, Any]:
    labels = {"app": "web"}
    container = {"name": "main", "image": "klever.test/absent:1", "resources": {"limits": resources}}
    spec = {"containers": [container], "nodeSelector": {HOSTNAME: node}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
