"""Kinds of versions on a cluster: Deployments, or objects of an operator that creates Deployments."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kleverkube.manifest import Manifest
from kleverkube.naming import version_name
from kleverkube.options import ClusterOptions
from kleverkube.rendering import refusal, render
from kleverkube.version import ServedVersion
from kleverkubeclient.resources import DEPLOYMENTS, Resource
from kleverproto.variants import Variant
from kleverroutes.versions import VersionKey

from .replica_numbers import determines_replicas


@dataclass(frozen=True)
class VersionKind:
    """Differences between the backends of a cluster.

    A version has a root object, which carries the annotation with the version and owns its Deployment or is it.
    """

    root: Resource
    name: Callable[[VersionKey], str]
    """The name of the root object."""
    deployment_name: Callable[[VersionKey], str]
    """The name of the Deployment."""
    render: Callable[[ServedVersion, ClusterOptions, int], list[Manifest]]
    """All objects of a version with a number of replicas; raises UnsupportedOnClusterError."""
    refusal: Callable[[str, Variant, ClusterOptions], str | None]
    """Reason why a variant in a namespace cannot run, as a sentence; None if it can."""
    is_autoscaled: Callable[[Manifest], bool]
    """True if a root object leaves the number of replicas to an autoscaler."""
    desired: Callable[[Manifest], int | None]
    """The number of replicas in a root object; None if that of the Deployment counts."""
    waiting: Callable[[Manifest, datetime], str | None]
    """Reason why a root object has no Deployment yet, as a sentence; None while it may be created."""

    @property
    def owns_deployment(self) -> bool:
        """True if an operator creates the Deployment from the root object."""
        return self.root != DEPLOYMENTS


def name_of(key: VersionKey) -> str:
    """The name of the objects of a version."""
    return version_name(key.serving.name, key.variant, key.revision)


PLAIN = VersionKind(
    root=DEPLOYMENTS,
    name=name_of,
    deployment_name=name_of,
    render=render,
    refusal=lambda _namespace, variant, options: refusal(variant, options),
    is_autoscaled=lambda deployment: not determines_replicas(deployment),
    desired=lambda _deployment: None,
    waiting=lambda _deployment, _now: None,
)
