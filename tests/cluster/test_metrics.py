"""The resource metrics of pods are available, and the autoscaler uses them."""

from typing import Any

from support.cluster.cluster import Cluster
from support.waiting import eventually

WITHIN = 180.0
BUSY = "while true; do :; done"


async def test_use_of_the_node_is_reported(cluster: Cluster) -> None:
    async def top() -> str:
        return cluster.kubectl("top", "nodes", "--no-headers")

    name, cpu, _, memory, _ = (await eventually(top, within=WITHIN, every=1)).split()[:5]
    assert name == cluster.get("nodes")["items"][0]["metadata"]["name"]
    assert cpu.endswith("m")
    assert memory.endswith("Mi")


async def test_autoscaler_adds_replicas_to_a_busy_deployment(cluster: Cluster, cluster_namespace: str) -> None:
    cluster.apply(deployment(cluster, cluster_namespace), autoscaler(cluster_namespace))

    async def has_scaled() -> bool:
        status = cluster.get("hpa", "busy", "-n", cluster_namespace)["status"]
        return bool(status["desiredReplicas"] == 2 and status["currentMetrics"])

    await eventually(has_scaled, within=WITHIN, every=1)


def deployment(cluster: Cluster, namespace: str) -> dict[str, Any]:
    labels = {"app": "busy"}
    container = {
        "name": "main",
        "image": cluster.busybox,
        "command": ["sh", "-c", BUSY],
        "resources": {"requests": {"cpu": "20m"}, "limits": {"cpu": "50m"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "busy", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
            },
        },
    }


def autoscaler(namespace: str) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": 100}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "busy", "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "busy"},
            "minReplicas": 1,
            "maxReplicas": 2,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }
