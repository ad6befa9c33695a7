"""A real node runs workloads, and reports problems, as Kubernetes documents it."""

from typing import Any

from support.cluster.cluster import Cluster
from support.waiting import eventually

WITHIN = 90.0
WEB = "mkdir -p /tmp/www; echo hello > /tmp/www/index.html; exec busybox httpd -f -p 9000 -h /tmp/www"
MORE_THAN_ALLOWED = "x=x; while true; do x=$x$x; done"


def container(cluster: Cluster, script: str, **fields: Any) -> dict[str, Any]:
    limits = {"cpu": "500m", "memory": "32Mi"}
    return {
        "name": "main",
        "image": cluster.busybox,
        "command": ["sh", "-c", script],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": limits},
        **fields,
    }


def pod(name: str, namespace: str, main: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [main], "terminationGracePeriodSeconds": 0, **spec},
    }


def web_deployment(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    labels = {"app": "web"}
    probe = {"httpGet": {"port": 9000, "path": "/index.html"}, "periodSeconds": 1}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container(cluster, WEB, readinessProbe=probe)], "terminationGracePeriodSeconds": 0},
    }
    metadata = {"name": "web", "namespace": namespace}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    ports = [{"port": 80, "targetPort": 9000}]
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": labels, "ports": ports}},
    ]


async def test_deployment_becomes_available_and_its_service_responds(cluster: Cluster, cluster_namespace: str) -> None:
    cluster.apply(*web_deployment(cluster, cluster_namespace))

    async def is_available() -> bool:
        status: dict[str, int] = cluster.get("deployment", "web", "-n", cluster_namespace)["status"]
        return status.get("availableReplicas") == 2

    await eventually(is_available, within=WITHIN, every=0.5)
    caller = pod("caller", cluster_namespace, container(cluster, "wget -qO- http://web"), restartPolicy="Never")
    cluster.apply(caller)
    await phase(cluster, cluster_namespace, "caller", "Succeeded")
    assert cluster.kubectl("logs", "caller", "-n", cluster_namespace) == "hello\n"


async def test_container_over_its_memory_limit_is_reported_as_killed(cluster: Cluster, cluster_namespace: str) -> None:
    cluster.apply(pod("greedy", cluster_namespace, container(cluster, MORE_THAN_ALLOWED), restartPolicy="Never"))
    status = await phase(cluster, cluster_namespace, "greedy", "Failed")
    assert status["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


async def test_image_that_is_not_on_the_node_is_reported(cluster: Cluster, cluster_namespace: str) -> None:
    image = "klever.test/absent:1"
    cluster.apply(
        pod("never", cluster_namespace, container(cluster, "true", image=image, imagePullPolicy="Never")),
        pod("pulled", cluster_namespace, container(cluster, "true", image=image)),
    )
    assert await waiting_reason(cluster, cluster_namespace, "never") == {"ErrImageNeverPull"}
    assert await waiting_reason(cluster, cluster_namespace, "pulled") <= {"ErrImagePull", "ImagePullBackOff"}


async def phase(cluster: Cluster, namespace: str, name: str, expected: str) -> dict[str, Any]:
    async def status() -> dict[str, Any] | None:
        current: dict[str, Any] = cluster.get("pod", name, "-n", namespace)["status"]
        return current if current["phase"] == expected else None

    return await eventually(status, within=WITHIN, every=0.5) or {}


async def waiting_reason(cluster: Cluster, namespace: str, name: str) -> set[str]:
    async def reasons() -> set[str]:
        statuses = cluster.get("pod", name, "-n", namespace)["status"].get("containerStatuses", [])
        return {status["state"]["waiting"]["reason"] for status in statuses} - {"ContainerCreating"}

    return await eventually(reasons, within=WITHIN, every=0.5)
