"""The custom resources of a Kubernetes cluster."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from klever_gateway.domain.resources.resource import Notice, Resource, ResourceKind, ResourceName
from kleverkit.errors import TransientError
from kleverkit.loops import BackgroundLoops
from kleverkit.tasks import cancel
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.failures import NOT_FOUND, MissingKindError, RefusedByClusterError
from kleverkubeclient.resources import MODEL_JOBS, SERVING_RESOURCES
from kleverkubeclient.watched import Watched
from kleverproto.base import WireModel
from kleverproto.custom_resources import FINALIZER, ResourceStatus

from .resource_manifests import event_manifest, resource_of

MANAGER = "klever-gateway"
"""Field manager of statuses and finalizers."""
MIRROR_MANAGER = "klever-gateway-mirror"
"""Field manager of the specs of ModelJobs that show jobs."""
API = {ResourceKind.MODEL_JOB: MODEL_JOBS, ResourceKind.SERVING: SERVING_RESOURCES}


class ClusterResources:
    """See `klever_gateway.ports.ResourceStore`.

    Args:
        kubeconfig: credentials; if None, those of this pod, or `$KUBECONFIG` or `~/.kube/config`.
        namespaces: the namespaces that the platform manages; all if empty.
    """

    def __init__(self, kubeconfig: Path | None, namespaces: Collection[str] = ()) -> None:
        self._kubeconfig = kubeconfig
        self._namespaces = frozenset(namespaces)
        self._api = KubernetesApi()
        self._copies: dict[ResourceKind, Watched] = {}
        self._written: dict[ResourceName, Resource] = {}
        """Results of writes that are newer than the copy."""

    @asynccontextmanager
    async def following(self, changed: Callable[[ResourceName], None]) -> AsyncIterator[None]:
        """See `ResourceStore`."""
        async with connected(self._kubeconfig) as client:
            self._api.use(client)
            self._written.clear()
            self._copies = {
                kind: Watched(self._api, api, "", partial(self._on_change, kind, changed)) for kind, api in API.items()
            }
            await self._load()
            watches = asyncio.create_task(BackgroundLoops(copy.run for copy in self._copies.values()).run())
            try:
                yield
            finally:
                await cancel([watches])
                self._api.use(None)

    async def _load(self) -> None:
        """Read all resources. Raises TransientError, PermanentError."""
        for kind, copy in self._copies.items():
            try:
                await copy.load()
            except MissingKindError as error:
                raise TransientError(
                    f"the cluster has no definition of {kind} resources: install both with "
                    "`kubectl apply -f deploy/kubernetes/crds`"
                ) from error

    def manages(self, namespace: str) -> bool:
        """See `ResourceStore`."""
        return not self._namespaces or namespace in self._namespaces

    def find(self, name: ResourceName) -> Resource | None:
        """See `ResourceStore`."""
        manifest = self._copies[name.kind].objects.get((name.namespace, name.name))
        if manifest is None or not self.manages(name.namespace):
            return None
        return self._newest(resource_of(name.kind, manifest))

    def resources(self, kind: ResourceKind) -> list[Resource]:
        """See `ResourceStore`."""
        copied = (resource_of(kind, manifest) for manifest in self._copies[kind].objects.values())
        return [self._newest(each) for each in copied if self.manages(each.name.namespace)]

    async def hold(self, resource: Resource) -> Resource:
        """See `ResourceStore`."""
        return await self._apply(resource, {"finalizers": [FINALIZER]}, {})

    async def release(self, resource: Resource) -> None:
        """See `ResourceStore`. Other managers may have applied the finalizer as well, so it is removed by a patch."""
        finalizers = [each for each in resource.finalizers if each != FINALIZER]
        patch = {"metadata": {"uid": resource.uid, "resourceVersion": resource.version, "finalizers": finalizers}}
        name = resource.name
        self._written.pop(name, None)
        await self._api.merge(API[name.kind], name.namespace, name.name, patch)

    async def write_status(self, resource: Resource, status: ResourceStatus) -> Resource:
        """See `ResourceStore`."""
        fields = {"status": status.model_dump(mode="json", exclude_none=True)}
        return await self._apply(resource, {}, fields, subresource="status")

    async def create(self, name: ResourceName, spec: WireModel, labels: Mapping[str, str]) -> Resource:
        """See `ResourceStore`."""
        fields = {"spec": spec.model_dump(mode="json", exclude_defaults=True)}
        manifest = _manifest(name, {"labels": dict(labels)}, fields)
        return self._remember(name.kind, await self._api.apply(manifest, manager=MIRROR_MANAGER))

    async def delete(self, resource: Resource) -> None:
        """See `ResourceStore`."""
        name = resource.name
        await self._api.delete(API[name.kind], name.namespace, name.name, uid=resource.uid)

    async def publish(self, resource: Resource, notice: Notice) -> None:
        """See `ResourceStore`."""
        digest = hashlib.sha256(f"{resource.uid}/{resource.version}/{notice.reason}".encode()).hexdigest()[:16]
        await self._api.apply(event_manifest(resource, notice, digest), manager=MANAGER)

    async def _apply(
        self, resource: Resource, metadata: Manifest, fields: Manifest, *, subresource: str = ""
    ) -> Resource:
        """Apply fields to the version of the resource that was read.

        The uid prevents that a resource which is gone is created again. The version is needed as well: the API server
        ignores the uid when a status is applied.
        """
        identity = {"uid": resource.uid, "resourceVersion": resource.version}
        manifest = _manifest(resource.name, {**identity, **metadata}, fields)
        try:
            applied = await self._api.apply(manifest, manager=MANAGER, subresource=subresource)
        except RefusedByClusterError as error:
            if error.status == NOT_FOUND:
                raise TransientError(f"{resource.name} was deleted") from error
            raise
        return self._remember(resource.name.kind, applied)

    def _remember(self, kind: ResourceKind, manifest: Manifest) -> Resource:
        """Take over the result of a write, before the watch reports it."""
        written = resource_of(kind, manifest)
        self._written[written.name] = written
        if (written.name.namespace, written.name.name) not in self._copies[kind].objects:
            self._copies[kind].put(manifest)
        return written

    def _newest(self, copied: Resource) -> Resource:
        """Return the result of the last write, until the copy has it: events of earlier writes may still arrive."""
        written = self._written.get(copied.name)
        if written is None or written.uid != copied.uid or int(copied.version) >= int(written.version):
            self._written.pop(copied.name, None)
            return copied
        return written

    def _on_change(self, kind: ResourceKind, changed: Callable[[ResourceName], None], manifest: Manifest) -> None:
        changed(resource_of(kind, manifest).name)


def _manifest(name: ResourceName, metadata: Manifest, fields: Manifest) -> Manifest:
    api = API[name.kind]
    return {
        "apiVersion": api.group.removeprefix("apis/"),
        "kind": api.kind,
        "metadata": {"name": name.name, "namespace": name.namespace, **metadata},
        **fields,
    }
