"""The owner of the number of replicas of a Deployment: the deployer, or an autoscaler."""

from typing import Any

from kleverkube.labels import MANAGER
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import DEPLOYMENTS

SCALING = "klever-scaling"
"""Field manager of a number of replicas that an autoscaler may change."""


class ReplicaNumbers:
    """Hands the number of replicas over to an autoscaler.

    A field that a manager no longer applies is removed, and the API would set one replica. So another manager applies
    the same number first.

    Args:
        api: the cluster.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    async def hand_over(self, present: Manifest | None, manifests: list[Manifest], replicas: int) -> None:
        """Let the Deployment have a number that the manager `klever` does not determine.

        Args:
            present: the Deployment in the cluster; None if it does not exist.
            manifests: the objects that are applied next, without a number of replicas.
            replicas: the number of a new Deployment.
        """
        if present is not None and not determines_replicas(present):
            return
        if present is None:
            deployment = next(each for each in manifests if each["kind"] == DEPLOYMENTS.kind)
            present = await self._api.apply({**deployment, "spec": {**deployment["spec"], "replicas": replicas}})
        await self._apply_number(present)

    async def _apply_number(self, deployment: Manifest) -> None:
        metadata = {name: deployment["metadata"][name] for name in ("name", "namespace")}
        manifest: Manifest = {
            "apiVersion": "apps/v1",
            "kind": DEPLOYMENTS.kind,
            "metadata": metadata,
            "spec": {"replicas": deployment["spec"]["replicas"]},
        }
        await self._api.apply(manifest, manager=SCALING)


def determines_replicas(deployment: Manifest) -> bool:
    """Return whether the deployer's own manager determines the number."""
    entries: list[Any] = deployment["metadata"].get("managedFields", [])
    return any(
        entry.get("manager") == MANAGER and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in entries
    )
