"""Tests can reach, stop and kill the parts of a cluster that they started."""

import http.server
import signal
import subprocess
import threading
from functools import partial
from pathlib import Path

from support.cluster.cluster import Cluster
from support.cluster.layout import API_SERVICE, LOOPBACK, NODE
from support.waiting import eventually

WITHIN = 90.0


async def test_killed_api_server_is_restarted_and_keeps_its_objects(
    own_cluster: Cluster, cluster_namespace: str
) -> None:
    own_cluster.send_signal("kube-apiserver", signal.SIGKILL)

    async def is_namespace_active() -> bool:
        phase: str = own_cluster.get("namespace", cluster_namespace)["status"]["phase"]
        return phase == "Active"

    await eventually(is_namespace_active, within=WITHIN, every=0.5)


async def test_stopped_component_stays_stopped_until_it_is_started(own_cluster: Cluster) -> None:
    own_cluster.stop("kube-apiserver")
    try:
        await eventually(lambda: is_refused(own_cluster), within=WITHIN, every=0.1)
    finally:
        own_cluster.start("kube-apiserver")

    async def is_ready() -> bool:
        return own_cluster.kubectl("get", "--raw=/readyz") == "ok"

    await eventually(is_ready, within=WITHIN, every=0.5)


def test_service_address_is_forwarded_to_the_host(own_cluster: Cluster) -> None:
    with own_cluster.forward(API_SERVICE, 443) as port:
        server = f"--server=https://{LOOPBACK}:{port}"
        assert NODE in own_cluster.kubectl("get", "nodes", "--output=name", server)


async def test_pod_reaches_a_server_on_the_host(own_cluster: Cluster, cluster_namespace: str, tmp_path: Path) -> None:
    (tmp_path / "greeting").write_text("hello")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with own_cluster.expose(server.server_port) as address:
            run = ("run", "reader", f"--image={own_cluster.busybox}", "--restart=Never", "-n", cluster_namespace)
            own_cluster.kubectl(*run, "--", "-c", f"wget -qO- http://{address}/greeting")

            async def has_read() -> bool:
                return own_cluster.kubectl("logs", "reader", "-n", cluster_namespace) == "hello"

            await eventually(has_read, within=WITHIN, every=0.5)
        server.shutdown()


async def is_refused(cluster: Cluster) -> bool:
    try:
        cluster.kubectl("get", "--raw=/readyz")
    except subprocess.CalledProcessError:
        return True
    return False
