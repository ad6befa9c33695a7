"""Placement of a platform's servings: on this machine, or on a cluster; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from klever.errors import PlatformError

LOCAL = "local"
REGISTRIES = "KLEVER_DEPLOYER_CLUSTER_REGISTRIES"
NAMES = "KLEVER_REGISTRY_NAMES"
ADDRESSES = TypeAdapter(dict[str, str])


@dataclass(frozen=True)
class ServingPlace:
    """Placement of servings, and its connection to a platform on this machine.

    Attributes:
        backend: the deployer's; `local` for this machine.
        kubeconfig: credentials for the cluster; by default those that kubectl uses.
        ingress_url: URL at which clients reach servings; required on a cluster.
        pod_registry: host:port by which pods reach the platform's registry; None if they use its own address.
        environment: variables of the user, which `pod_registry` adds to.

    Raises:
        PlatformError: the settings contradict each other.
    """

    backend: str = LOCAL
    kubeconfig: Path | None = None
    ingress_url: str | None = None
    pod_registry: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.backend == LOCAL:
            if self.kubeconfig or self.pod_registry:
                raise PlatformError(
                    "--kubeconfig and --pod-registry are for servings on a cluster: add --backend plain"
                )
        elif self.ingress_url is None:
            raise PlatformError(
                f"--backend {self.backend} needs --ingress-url, the URL at which clients reach the cluster's gateway"
            )
        self._registries()

    def deployer_settings(self, registry: str) -> dict[str, str]:
        """The settings of the deployer.

        Args:
            registry: host:port of the platform's registry.
        """
        settings = {"BACKEND": self.backend}
        if self.kubeconfig is not None:
            settings["KUBECONFIG"] = str(self.kubeconfig.absolute())
        if self.pod_registry is not None:
            settings["CLUSTER_REGISTRIES"] = json.dumps(self._registries() | {registry: f"http://{self.pod_registry}"})
        return settings

    def registry_settings(self) -> dict[str, str]:
        """The settings of the registry, which only answers to its names."""
        if self.pod_registry is None:
            return {}
        return {"NAMES": ",".join(filter(None, (self.environment.get(NAMES), self.pod_registry)))}

    def _registries(self) -> dict[str, str]:
        """The registries in the user's environment. Raises PlatformError if they are not valid."""
        text = self.environment.get(REGISTRIES) or "{}"
        try:
            return ADDRESSES.validate_json(text)
        except ValidationError as error:
            raise PlatformError(
                f"{REGISTRIES} is not a JSON object of addresses, such as "
                f'{{"harbor.example.com:443": "harbor.internal:443"}}: {text}'
            ) from error
