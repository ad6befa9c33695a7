"""Serves as Deployments of a Kubernetes cluster."""

import asyncio
from typing import Any

import psutil

from kleverkube.servers import STORE
from support.cluster.cluster import Cluster

from .substrate import model_servers

KINDS = "deployment,service,hpa,networkpolicy,virtualservice,destinationrule,pod,replicaset,configmap"
OPERATED = {"seldon": "seldondeployment", "kserve": "inferenceservice"}
"""Backend to the kind of objects that an operator makes Deployments of."""


class OnCluster:
    """See `Substrate`.

    Args:
        cluster: cluster that runs the servings.
        namespace: namespace of the servings.
        image: image with a Python interpreter.
        operated: kind of objects that an operator makes Deployments of; None if the deployer creates Deployments.
    """

    def __init__(self, cluster: Cluster, namespace: str, image: str, operated: str | None = None) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._image = image
        self._kinds = KINDS if operated is None else f"{KINDS},{operated}"

    def processes(self, name: str) -> list[psutil.Process]:
        """See `Substrate`."""
        return model_servers(name, f"{STORE}/{name}")

    async def leftovers(self, name: str) -> list[str]:
        """See `Substrate`."""
        selector = f"klever.dev/serving={name}"
        command = ("get", self._kinds, "--all-namespaces", f"--selector={selector}", "--output=name")
        return (await asyncio.to_thread(self._cluster.kubectl, *command)).split()

    async def set_secret(self, name: str, value: str) -> None:
        """See `Substrate`."""
        command = ("create", "secret", "generic", name, "-n", self._namespace, f"--from-literal=value={value}")
        await asyncio.to_thread(self._cluster.kubectl, *command)

    def custom(self, program: str) -> dict[str, Any]:
        """See `Substrate`."""
        return {"command": ["python", f"$MODEL_DIR/{program}"], "image": self._image}
