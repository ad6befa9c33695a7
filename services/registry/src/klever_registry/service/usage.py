"""The served models, by the bucket of servings."""

from collections.abc import Collection

from klever_registry.errors import UsageUnknownError
from kleverkit.documents import Change, Documents, Incarnation, Snapshot
from kleverkit.incarnations import Verdict, compare
from kleverproto.served import ServedModel, served_models
from kleverproto.servings import ServingDocument


class ServedModels:
    """See `ports.Usage`. Follows the bucket of servings, and uses its last known state while NATS is unreachable.

    A serving that is missing in a recreated bucket was lost, not deleted. Its models count as served until its
    tombstone or its restored document arrives.

    Args:
        documents: the bucket of servings.
    """

    def __init__(self, documents: Documents[ServingDocument]) -> None:
        self._documents = documents
        self._served: dict[str, tuple[str, frozenset[ServedModel]]] | None = None
        self._lost: set[str] = set()
        self._incarnation: Incarnation | None = None

    async def run(self) -> None:
        """Follow the bucket forever."""
        async for change in self._documents.changes():
            self._take(change)

    def servings_of(self, repository: str, tags: Collection[str], digest: str | None) -> list[str]:
        """See `Usage`."""
        if self._served is None:
            raise UsageUnknownError(UNKNOWN)
        return [
            name
            for name, models in self._served.values()
            if any(_is_one(model, repository, tags, digest) for model in models)
        ]

    async def check(self) -> str | None:
        """Readiness check: return a problem until the servings have been read."""
        return UNKNOWN if self._served is None else None

    def _take(self, change: Snapshot[ServingDocument] | Change[ServingDocument]) -> None:
        if isinstance(change, Snapshot):
            self._read(change)
            return
        others = {key: entry for key, entry in (self._served or {}).items() if key != change.key}
        changed = {change.key: _entry(change.document)} if change.document is not None else {}
        self._served = others | changed
        self._lost.discard(change.key)

    def _read(self, snapshot: Snapshot[ServingDocument]) -> None:
        known = self._served or {}
        if compare(self._incarnation, snapshot.incarnation) is not Verdict.SAME:
            self._lost |= known.keys()
        self._incarnation = snapshot.incarnation
        self._lost -= {each.key for each in snapshot.documents} | {each.key for each in snapshot.buried}
        lost = {key: entry for key, entry in known.items() if key in self._lost}
        self._served = lost | {each.key: _entry(each.document) for each in snapshot.documents}


UNKNOWN = "the servings have not been read from NATS yet, so that no model can be deleted: try again in a moment"


def _entry(document: ServingDocument) -> tuple[str, frozenset[ServedModel]]:
    return f"{document.namespace}/{document.name}", served_models(document)


def _is_one(served: ServedModel, repository: str, tags: Collection[str], digest: str | None) -> bool:
    if served.ref.repository != repository:
        return False
    return served.ref.version in tags or (digest is not None and served.digest == digest)
