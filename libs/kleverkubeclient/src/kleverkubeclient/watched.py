"""A copy of the objects of one kind in the cluster, kept up to date by a watch."""

import asyncio
import random
from collections.abc import Callable

import structlog

from kleverkit.errors import TransientError
from kleverkube.manifest import Manifest

from .api import KubernetesApi
from .failures import ApiUnavailableError, DeniedError, ExpiredError, MissingKindError, RefusedByClusterError
from .resources import DEPLOYMENTS, Resource

log = structlog.get_logger(__name__)

WATCH_SECONDS = 60
"""The server ends a watch after this time; the next one continues from the last event."""
SILENCE_SECONDS = 70.0
"""A watch that neither says anything nor ends is on a connection that is lost."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds between two tries; they double, and are spread so that many deployers do not return at once."""

LISTED_AGAIN = (ExpiredError, MissingKindError, DeniedError)
"""Errors after which a watch cannot continue; also after refusals. If only watches are denied, lists replace them."""

ObjectName = tuple[str, str]
"""Namespace and name."""


class Watched:
    """The objects with some labels.

    A complete list of the server is the truth: an object that it lacks was deleted.

    Args:
        api: the cluster.
        resource: the kind of objects.
        selector: their labels.
        on_change: called with each object that was added, changed or deleted.
        namespace: namespace of the objects; all namespaces if None.
        watch_seconds: see WATCH_SECONDS.
        silence: see SILENCE_SECONDS.
    """

    def __init__(  # noqa: PLR0913 - its settings
        self,
        api: KubernetesApi,
        resource: Resource,
        selector: str,
        on_change: Callable[[Manifest], None],
        *,
        namespace: str | None = None,
        watch_seconds: int = WATCH_SECONDS,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self.objects: dict[ObjectName, Manifest] = {}
        self.problem: str | None = None
        """Reason why the copy is not up to date, as a sentence; None if it is."""
        self._api = api
        self._resource = resource
        self._selector = selector
        self._on_change = on_change
        self._namespace = namespace
        self._watch_seconds = watch_seconds
        self._silence = silence
        self._version = ""
        self._deleted: set[str] = set()
        """Uids of objects that are known to be deleted before the watch has reported it."""

    @property
    def is_current(self) -> bool:
        """True if an object that the copy lacks does not exist, or was created a moment ago."""
        return self._version != "" and self.problem is None

    async def load(self) -> None:
        """Replace the copy by a new list. Raises ApiUnavailableError, RefusedByClusterError."""
        listing = await self._api.list(self._resource, self._selector, self._namespace)
        self._deleted.clear()
        before, self.objects = self.objects, {object_name(each): self._kept(each) for each in listing.items}
        self._version = listing.version
        for name in before.keys() | self.objects.keys():
            old, new = before.get(name), self.objects.get(name)
            if old != new:
                self._on_change(new or old or {})

    async def run(self) -> None:
        """Follow the changes until cancelled; a watch that ends or fails is resumed."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._follow()
            except (TransientError, RefusedByClusterError) as error:
                self.problem = str(error)
                log.warning("watch interrupted, resuming", resource=self._resource.plural, error=str(error))
                if not isinstance(error, ApiUnavailableError) or isinstance(error, LISTED_AGAIN):
                    self._version = ""
                asked = error.retry_after if isinstance(error, ApiUnavailableError) else None
                await asyncio.sleep(max(asked or 0.0, random.uniform(pause / 2, pause)))  # noqa: S311 - no secret
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE
                await asyncio.sleep(FIRST_PAUSE)  # a server that ends watches at once is not flooded

    def put(self, changed: Manifest) -> None:
        """Take over an object that the server has returned, unless the watch has passed it: it knows better."""
        if _number(changed["metadata"]["resourceVersion"]) <= _number(self._version):
            return
        self.objects[object_name(changed)] = self._kept(changed)
        self._on_change(changed)

    def forget(self, deleted: Manifest) -> None:
        """Leave out an object that is known to be deleted, also if older events of it arrive."""
        self._deleted.add(deleted["metadata"]["uid"])
        present = self.objects.get(object_name(deleted))
        if present is not None and present["metadata"]["uid"] == deleted["metadata"]["uid"]:
            del self.objects[object_name(deleted)]
            self._on_change(deleted)

    async def _follow(self) -> None:
        """One watch, after a list if there is no version to continue from."""
        if not self._version:
            await self.load()
        events = self._api.watch(
            self._resource,
            self._selector,
            self._version,
            seconds=self._watch_seconds,
            silence=self._silence,
            namespace=self._namespace,
        )
        self.problem = None
        async for event in events:
            self._take(event["type"], event["object"])

    def _take(self, kind: str, changed: Manifest) -> None:
        self._version = changed["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        uid, name = changed["metadata"]["uid"], object_name(changed)
        if kind == "DELETED":
            self._deleted.discard(uid)
            present = self.objects.get(name)
            if present is not None and present["metadata"]["uid"] == uid:
                del self.objects[name]
        elif uid not in self._deleted:
            self.objects[name] = self._kept(changed)
        self._on_change(changed)

    def _kept(self, changed: Manifest) -> Manifest:
        """Return an object without its managed fields, which are half of its size. Only Deployments keep them."""
        if self._resource == DEPLOYMENTS:
            return changed
        kept = {name: each for name, each in changed["metadata"].items() if name != "managedFields"}
        return {**changed, "metadata": kept}


def _number(version: str) -> int:
    """The place of a version in the order of all changes; 0 for that of an empty copy."""
    return int(version) if version.isdecimal() else 0


def object_name(manifest: Manifest) -> ObjectName:
    """The namespace and the name of an object."""
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
