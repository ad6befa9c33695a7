"""A VirtualService directs requests to the pods of two variants, through Istio's own translation in a real Envoy."""

from collections import Counter
from typing import Any

import aiohttp
import pytest

from support.cluster.cluster import Cluster
from support.cluster.gateway import Gateway, install_istio
from support.waiting import eventually

WITHIN = 120.0
REQUESTS = 300
HOST = "iris.example.test"
PINNED = {"Host": HOST, "x-variant": "canary"}


async def test_weights_and_header_matches_reach_the_pods(
    own_cluster: Cluster, cluster_namespace: str, istio_gateway: Gateway
) -> None:
    cluster, namespace = own_cluster, cluster_namespace
    for variant in ("main", "canary"):
        cluster.apply(*pod_and_service(cluster, namespace, variant))
    cluster.apply(virtual_service(namespace, weights={"main": 80, "canary": 20}))

    async with aiohttp.ClientSession(istio_gateway.url, headers={"Host": HOST}) as session:
        await eventually(lambda: both_respond(session), within=WITHIN, every=0.5)
        counts = Counter([await variant_of(session) for _ in range(REQUESTS)])
        assert counts["canary"] == pytest.approx(60, abs=40)  # more than five standard deviations
        assert counts.total() == counts["main"] + counts["canary"]
        assert {await variant_of(session, **PINNED) for _ in range(20)} == {"canary"}

        cluster.apply(virtual_service(namespace, weights={"main": 0, "canary": 100}))
        await eventually(lambda: only_canary_responds(session), within=WITHIN, every=0.1)


def test_istio_can_be_installed_on_a_cluster_that_has_it(own_cluster: Cluster, istio_gateway: Gateway) -> None:
    assert istio_gateway.url
    install_istio(own_cluster)


async def test_invalid_virtual_service_is_refused(own_cluster: Cluster, istio_gateway: Gateway) -> None:
    invalid = virtual_service("default", weights={"main": -1, "canary": 101})
    assert istio_gateway.url
    message = own_cluster.refusal(invalid)
    assert "admission webhook" in message
    assert "weight" in message


async def both_respond(session: aiohttp.ClientSession) -> bool:
    return {await variant_of(session) for _ in range(30)} == {"main", "canary"}


async def only_canary_responds(session: aiohttp.ClientSession) -> bool:
    return {await variant_of(session) for _ in range(30)} == {"canary"}


async def variant_of(session: aiohttp.ClientSession, **headers: str) -> str:
    async with session.get("/", headers=headers) as response:
        response.raise_for_status()
        return (await response.text()).strip()


def pod_and_service(cluster: Cluster, namespace: str, variant: str) -> list[dict[str, Any]]:
    labels = {"variant": variant}
    metadata = {"name": variant, "namespace": namespace}
    script = f"mkdir /tmp/www; echo {variant} > /tmp/www/index.html; exec busybox httpd -f -p 9000 -h /tmp/www"
    container = {"name": "main", "image": cluster.busybox, "command": ["sh", "-c", script]}
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "labels": labels},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 9000}]},
        },
    ]


def virtual_service(namespace: str, *, weights: dict[str, int]) -> dict[str, Any]:
    def destination(variant: str) -> dict[str, Any]:
        return {"host": f"{variant}.{namespace}.svc.cluster.local", "port": {"number": 9000}}

    split = [{"destination": destination(variant), "weight": weight} for variant, weight in weights.items()]
    pinned = {
        "match": [{"headers": {"x-variant": {"exact": "canary"}}}],
        "route": [{"destination": destination("canary")}],
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "iris", "namespace": namespace},
        "spec": {"hosts": [HOST], "gateways": ["istio-system/klever-gateway"], "http": [pinned, {"route": split}]},
    }
