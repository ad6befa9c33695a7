"""Nodes that kwok simulates, for an API server without a network of its own: pods are scheduled, and become ready."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.cluster.objects import simulated_node
from support.kube_api_server import START_SECONDS, cached_program
from support.kubectl import run_kubectl
from support.processes import ServerProcess, answers, free_port


@contextmanager
def kwok_nodes(kubeconfig: Path, count: int) -> Iterator[None]:
    """Runs a scheduler and kwok with this number of nodes, whose taints are removed here in place of a controller."""
    scheduler_port, kwok_port = free_port(), free_port()
    scheduler = [
        *(str(cached_program("kube-scheduler")), f"--kubeconfig={kubeconfig}", "--leader-elect=false"),
        *(
            "--bind-address=127.0.0.1",
            f"--secure-port={scheduler_port}",
            f"--cert-dir={kubeconfig.parent / 'scheduler'}",
        ),
        *("--kube-api-qps=500", "--kube-api-burst=1000"),
    ]
    kwok = [
        *(str(cached_program("kwok")), f"--kubeconfig={kubeconfig}", "--manage-all-nodes=true"),
        *("--node-ip=127.0.0.1", f"--server-address=127.0.0.1:{kwok_port}"),
    ]
    env = {**os.environ, "GOMAXPROCS": "2"}
    logs = kubeconfig.parent
    with (
        _started(ServerProcess(scheduler, logs / "scheduler.log", lambda: answers(scheduler_port), env=env)),
        _started(ServerProcess(kwok, logs / "kwok.log", lambda: answers(kwok_port), env=env)),
    ):
        for number in range(count):
            run_kubectl(kubeconfig, "create", "--filename=-", stdin=json.dumps(simulated_node(f"node-{number}")))
        run_kubectl(kubeconfig, "taint", "nodes", "--all", "node.kubernetes.io/not-ready:NoSchedule-")
        yield


@contextmanager
def _started(server: ServerProcess) -> Iterator[None]:
    server.start(within=START_SECONDS)
    try:
        yield
    finally:
        server.stop()
