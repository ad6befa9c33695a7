"""Versions of servings on a cluster with a real node, whose servers are scripts of busybox."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from klever_deployer.adapters.kubernetes.refusals import RefusedServingError
from klever_deployer.adapters.kubernetes.workloads import ClusterWorkloads
from klever_deployer.domain.versions import ModelFacts, ModelSource, VersionSpec
from kleverkube.images import INITIALIZER
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverproto.references import ModelRef
from kleverproto.variants import CUSTOM, Custom, Resources, Variant
from kleverroutes.versions import Deployment, ServingName
from support.cluster import images
from support.cluster.cluster import Cluster
from support.deployer import digest
from support.loops import running_loops

PLAYED_INITIALIZER = "klever.test/played-initializer:1"
"""An init container that fetches nothing, and succeeds."""
REGISTRY = "127.0.0.1:1"
"""Address at which no server listens."""


def load_played_initializer(cluster: Cluster) -> None:
    """Build the image, and load it into the node."""
    root = images.root_with(cluster.layout, "played-initializer", "/bin/busybox", names=("sh",))
    program = root / "bin" / "ormb-storage-initializer"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    layer, archive = images.layer(root, root.with_suffix(".layer")), root.with_suffix(".tar")
    cluster.load_image(images.archive(PLAYED_INITIALIZER, [layer], archive, entrypoint=("/bin/sh",)))


def busybox_version(cluster: Cluster, serving: ServingName, name: str, script: str, **changes: Any) -> VersionSpec:
    """A version whose server is a script.

    Args:
        cluster: cluster that runs it.
        serving: which it belongs to.
        name: name of the variant.
        script: script for the shell of busybox.
        changes: `image`, and settings of the variant.
    """
    image = changes.pop("image", cluster.busybox)
    custom = Custom(image=image, command=("sh", "-c", script))
    resources = changes.pop("resources", Resources(cpu="50m", memory="32Mi"))
    model = ModelRef.parse(f"library/iris:{name}")
    variant = Variant(name=name, model=str(model), digest=digest(name), custom=custom, resources=resources, **changes)
    source = ModelSource(model, digest(name), REGISTRY, ModelFacts("ONNX"))
    return VersionSpec(Deployment(variant, 1).key(serving), variant, source, CUSTOM)


@asynccontextmanager
async def running_workloads(
    cluster: Cluster, replaced: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[ClusterWorkloads]:
    """The deployer's adapter, which follows the cluster.

    Args:
        cluster: cluster that runs versions.
        replaced: image repositories to images; by default the played initializer.
        options: options of the cluster.
    """
    names = replaced or {INITIALIZER: PLAYED_INITIALIZER}
    async with connected(cluster.kubeconfig) as client:
        api = KubernetesApi(client, refused=RefusedServingError)
        workloads = ClusterWorkloads(api, ClusterOptions(images=names, **options), lambda _digest: REGISTRY)
        await workloads.load()
        async with running_loops(*(each.run for each in workloads.watched)):
            yield workloads
