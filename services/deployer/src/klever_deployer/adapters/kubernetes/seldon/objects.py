"""The SeldonDeployments of a platform."""

import asyncio
from collections.abc import Callable, Iterator
from weakref import WeakValueDictionary

from klever_deployer.errors import UNSUPPORTED_HERE, ServingError
from kleverkube.labels import MANAGED_BY, MANAGER, PLATFORM, owned_by
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.seldon.seldon_deployments import Predictor, predictors_of, seldon_deployment
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import ConflictError
from kleverkubeclient.resources import SELDON_DEPLOYMENTS
from kleverkubeclient.watched import Watched
from kleverroutes.versions import ServingName, VersionKey

TRIES = 5
"""Attempts at a change: each status that the operator reports is a new version of the object."""
CREATOR = "klever-creation"
"""Field manager. An object is created before it is applied, because applying would replace one that another client has
created in the meantime."""

Edit = Callable[[list[Predictor]], list[Predictor]]


class SeldonObjects:
    """Changes one predictor of a SeldonDeployment, and leaves the others as they are.

    A list of predictors is applied as a whole. So each change begins with the present ones, and the server refuses it
    if these have changed meanwhile.

    Args:
        api: the cluster.
        options: options of the cluster.
        on_change: called with each serving whose SeldonDeployment has changed.
    """

    def __init__(self, api: KubernetesApi, options: ClusterOptions, on_change: Callable[[ServingName], None]) -> None:
        self._api = api
        self._options = options
        self._locks: WeakValueDictionary[ServingName, asyncio.Lock] = WeakValueDictionary()
        self.watched = Watched(api, SELDON_DEPLOYMENTS, owned_by(options), lambda each: on_change(_serving(each)))

    def predictors(self, serving: ServingName | None = None) -> Iterator[tuple[Manifest, Predictor]]:
        """The predictors of a serving, or of all servings, each with its SeldonDeployment."""
        for stored in list(self.watched.objects.values()) if serving is None else self._known(serving):
            for each in predictors_of(stored):
                yield stored, each

    async def put(self, serving: ServingName, predictor: Predictor) -> None:
        """Add a predictor, or replace the one of its version.

        Raises:
            ServingError: the server refuses it, or the SeldonDeployment belongs to another owner.
            TransientError: the server does not respond.
        """

        def edit(present: list[Predictor]) -> list[Predictor]:
            if predictor.key not in {each.key for each in present}:
                return [*present, predictor]
            return [predictor if each.key == predictor.key else each for each in present]

        async with self._lock(serving):
            stored = next(iter(self._known(serving)), None) or await self._read(serving)
            await self._change(serving, stored, edit)

    async def remove(self, version: VersionKey) -> None:
        """Remove the predictor of a version, and with the last one the SeldonDeployment.

        Raises TransientError, ServingError.
        """
        serving, key = version.serving, (version.variant, version.revision)
        async with self._lock(serving):
            stored = await self._read(serving)  # what is deleted must be known to have no other predictor
            await self._change(serving, stored, lambda present: [each for each in present if each.key != key])

    async def has_settled(self, serving: ServingName) -> bool:
        """Return whether no deletion of the SeldonDeployment is in progress, read from the server."""
        stored = await self._read(serving)
        if stored is None:
            for each in self._known(serving):
                self.watched.forget(each)
        return stored is None or "deletionTimestamp" not in stored["metadata"]

    def _known(self, serving: ServingName) -> list[Manifest]:
        """The SeldonDeployment of a serving in the copy, if it is there."""
        stored = self.watched.objects.get((serving.namespace, serving.name))
        return [stored] if stored is not None else []

    def _lock(self, serving: ServingName) -> asyncio.Lock:
        return self._locks.setdefault(serving, asyncio.Lock())

    async def _change(self, serving: ServingName, stored: Manifest | None, edit: Edit) -> None:
        for _ in range(TRIES - 1):
            try:
                return await self._replace(serving, stored, edit)
            except ConflictError:
                stored = await self._read(serving)
        return await self._replace(serving, stored, edit)

    async def _replace(self, serving: ServingName, stored: Manifest | None, edit: Edit) -> None:
        present = predictors_of(stored) if stored is not None else []
        wanted = edit(present)
        if stored is not None and not self._is_own(stored):
            if wanted == present:
                return
            raise ServingError(
                f"a SeldonDeployment {serving.name} that Klever did not create exists in namespace "
                f"{serving.namespace}: rename the serving, or delete the SeldonDeployment",
                code=UNSUPPORTED_HERE,
            )
        if wanted:
            manifest = seldon_deployment(serving.namespace, serving.name, wanted, self._options)
            stored = stored or await self._api.create(_without_annotations(manifest), manager=CREATOR)
            self.watched.put(await self._api.apply(_based_on(stored, manifest)))
        elif stored is not None:
            await self._api.delete(SELDON_DEPLOYMENTS, serving.namespace, serving.name, owned_first=True)

    async def _read(self, serving: ServingName) -> Manifest | None:
        return await self._api.read(SELDON_DEPLOYMENTS, serving.namespace, serving.name)

    def _is_own(self, stored: Manifest) -> bool:
        labels: dict[str, str] = stored["metadata"].get("labels", {})
        return labels.get(MANAGED_BY) == MANAGER and labels.get(PLATFORM) == self._options.platform


def _without_annotations(manifest: Manifest) -> Manifest:
    """Those that were created could not be removed by applying the object without them."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "annotations"}
    return {**manifest, "metadata": metadata}


def _based_on(stored: Manifest, manifest: Manifest) -> Manifest:
    """A change that the server refuses if the object is no longer the stored one."""
    version = stored["metadata"]["resourceVersion"]
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}


def _serving(stored: Manifest) -> ServingName:
    return ServingName(stored["metadata"]["namespace"], stored["metadata"]["name"])
