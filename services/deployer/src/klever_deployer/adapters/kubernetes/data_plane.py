"""Routes of servings as objects of a data plane of the cluster: Istio, or the Gateway API."""

from collections.abc import Callable, Sequence

from klever_deployer.errors import DataPlaneError, RefusedByProxyError
from kleverkit.errors import TransientError
from kleverkube.labels import SERVING, owned_by, with_owner
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import RefusedByClusterError
from kleverkubeclient.resources import Resource, resource_of
from kleverkubeclient.watched import ObjectName, Watched, object_name
from kleverroutes.errors import UnsupportedRouteError
from kleverroutes.routing import ServingRoute
from kleverroutes.versions import ServingName

from .applying import Applier
from .route_probes import SETTLE_SECONDS, Settle, settle_by_time


class ClusterDataPlane:
    """See `ports.DataPlane`: the objects of routes, which a control plane translates for its proxies.

    Args:
        api: the cluster.
        options: options of the cluster.
        render: the objects of a route; raises UnsupportedRouteError.
        refusals: returns the reasons why a route cannot be rendered, as sentences; its versions need not run.
        resources: the kinds of these objects; each served serving has one of the last kind.
        settle: waits until the proxies have received a change.
    """

    def __init__(
        self,
        api: KubernetesApi,
        options: ClusterOptions,
        render: Callable[[ServingRoute], list[Manifest]],
        refusals: Callable[[ServingRoute], list[str]],
        resources: Sequence[Resource],
        settle: Settle = settle_by_time,
    ) -> None:
        self._api = api
        self._options = options
        self._render = render
        self._refusals = refusals
        self._settle = settle
        selector = owned_by(options)
        self.on_change: Callable[[ServingName], None] = lambda _serving: None
        """Called with each serving whose objects have changed."""
        self.watched = {each: Watched(api, each, selector, self._changed) for each in resources}
        self._applier = Applier(api, self.watched)
        self._main = resources[-1]
        self._unsettled: set[ServingName] = set()
        """Servings whose present objects the proxies may not have received."""

    @property
    def drain_seconds(self) -> float:
        """See `DataPlane`. Pods complete requests in flight themselves while they terminate."""
        return SETTLE_SECONDS

    async def load(self) -> None:
        """Read the routes that the cluster has. Raises TransientError, ServingError."""
        self._applier.reset()
        for watched in self.watched.values():
            await watched.load()

    async def apply(self, route: ServingRoute) -> None:
        """See `DataPlane`."""
        objects = self._objects(route)
        try:
            for each in objects:
                if await self._apply(each):
                    self._unsettled.add(route.serving)
            if route.serving in self._unsettled:
                await self._settle(objects)
                self._unsettled.discard(route.serving)
            await self._delete_others(route.serving, {(each["kind"], object_name(each)) for each in objects})
        except RefusedByClusterError as error:
            raise RefusedByProxyError(str(error)) from error
        except TransientError as error:
            raise DataPlaneError(str(error)) from error

    async def remove(self, serving: ServingName) -> None:
        """See `DataPlane`."""
        try:
            if await self._delete_others(serving, set()):
                await self._settle(())
        except (RefusedByClusterError, TransientError) as error:
            raise DataPlaneError(str(error)) from error

    def refusal(self, route: ServingRoute) -> str | None:
        """See `DataPlane`."""
        return "; ".join(self._refusals(route)) or None

    def is_up(self) -> bool:
        """See `DataPlane`. Proxies keep their routes while the API server is away; the backend reports that."""
        return True

    def served(self) -> set[ServingName]:
        """See `DataPlane`."""
        return {serving for each in self.watched[self._main].objects.values() if (serving := _serving(each))}

    def _objects(self, route: ServingRoute) -> list[Manifest]:
        try:
            return [with_owner(each, route.serving.name, self._options) for each in self._render(route)]
        except UnsupportedRouteError as error:
            raise RefusedByProxyError(str(error)) from error

    async def _apply(self, manifest: Manifest) -> bool:
        """Apply an object. Return True if that has changed it."""
        before = self.watched[resource_of(manifest)].objects.get(object_name(manifest))
        stored = await self._applier.apply(manifest)
        if stored is None:
            return False
        return before is None or before["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]

    async def _delete_others(self, serving: ServingName, kept: set[tuple[str, ObjectName]]) -> bool:
        """Delete the other objects of a serving, those that others refer to last. Return True if there were any."""
        is_deleted = False
        for resource in reversed(self.watched):
            watched = self.watched[resource]
            for name, manifest in list(watched.objects.items()):
                if _serving(manifest) == serving and (resource.kind, name) not in kept:
                    await self._api.delete(resource, *name)
                    self._applier.forget(resource, name)
                    watched.forget(manifest)
                    is_deleted = True
        return is_deleted

    def _changed(self, changed: Manifest) -> None:
        if (serving := _serving(changed)) is not None:
            self.on_change(serving)


def _serving(manifest: Manifest) -> ServingName | None:
    metadata = manifest["metadata"]
    name = metadata.get("labels", {}).get(SERVING)
    return ServingName(metadata["namespace"], name) if name else None
