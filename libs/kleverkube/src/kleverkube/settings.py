"""The settings that services have in common if they create pods."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kleverproto.references import DNS_LABEL_PATTERN

from .options import ClusterOptions
from .registries import REGISTRY_PATTERN


class ClusterSettings(BaseModel):
    """Environment variables `KLEVER_<SERVICE>_…` of a service whose settings inherit this class."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    kubeconfig: Path | None = None
    """Credentials for the cluster; by default the pod's ServiceAccount, `$KUBECONFIG` or `~/.kube/config`."""
    cluster_platform: Annotated[str, Field(pattern=DNS_LABEL_PATTERN)] = "klever"
    """Value of the label `klever.dev/platform` of all objects, if several platforms share a cluster."""
    cluster_registry_secret: str = "klever-registry"  # noqa: S105 - the name of a Secret
    """Secret with `username` and `password` for the registry, in each namespace of pods. Without it, models are pulled
    anonymously."""
    cluster_plain_http: bool = False
    """Let pods use http for registries."""
    cluster_registries: dict[str, Annotated[str, Field(pattern=REGISTRY_PATTERN)]] = Field(default_factory=dict)
    """Registries of models, `host:port`, to the addresses by which pods reach them, as JSON: `host:port`, or
    `http://host:port` for a registry without TLS."""
    cluster_images: dict[str, str] = Field(default_factory=dict)
    """Image repositories to images that replace them, as JSON."""

    def cluster_options(self) -> ClusterOptions:
        """The options that the objects of all services have in common; a service adds its own."""
        return ClusterOptions(
            platform=self.cluster_platform,
            registry_secret=self.cluster_registry_secret,
            plain_http=self.cluster_plain_http,
            registries=self.cluster_registries,
            images=self.cluster_images,
        )
