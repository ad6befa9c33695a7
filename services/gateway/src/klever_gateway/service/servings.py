"""Requests for servings."""

import asyncio
from weakref import WeakValueDictionary

from klever_gateway.domain.rows import Collection, serving_row
from klever_gateway.domain.servings import as_deleting, as_requested, is_gone, is_under_way
from klever_gateway.errors import AlreadyExistsError, GenerationMismatchError, NoRolloutError
from kleverkit.errors import NotFoundError
from kleverproto.rollouts import RolloutAction
from kleverproto.servings import (
    ServingDeleteRequested,
    ServingDocument,
    ServingRequested,
    ServingRolloutRequested,
    serving_key,
)

from .versions import Versions
from .writing import Writing, Written


class Servings:
    """Accepts what people want served; the deployer does it.

    All methods raise TransientError when the request could not be stored.
    """

    def __init__(self, writing: Writing, versions: Versions) -> None:
        self._writing = writing
        self._versions = versions
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, request: ServingRequested) -> Written:
        """Ask for a new serving.

        Raises:
            AlreadyExistsError: the name is taken.
            InvalidRequestError: a model does not exist.
        """
        resolved = await self._resolved(request)
        async with self._lock(request.namespace, request.name):
            current = await self._current(request.namespace, request.name)
            if not is_gone(current):
                raise AlreadyExistsError(
                    f"there is a serving {request.name} in {request.namespace}: replace it with PUT, or delete it"
                )
            return await self._request(current, resolved)

    async def replace(self, request: ServingRequested, *, if_match: int | None) -> Written:
        """Ask for another spec, or for a new serving where there is none.

        Args:
            request: what is wanted.
            if_match: the generation that the client has seen; None to replace whatever is there.

        Raises:
            GenerationMismatchError: the serving is at another generation.
            InvalidRequestError: a model does not exist.
        """
        resolved = await self._resolved(request)
        async with self._lock(request.namespace, request.name):
            current = await self._current(request.namespace, request.name)
            present = 0 if current is None or is_gone(current) else current.generation
            if if_match not in {None, present}:
                state = f"at generation {present}" if present else "not there"
                raise GenerationMismatchError(
                    f"the serving is {state}, not at generation {if_match}: read it again and repeat the change"
                )
            return await self._request(current, resolved)

    async def steer(self, namespace: str, name: str, action: RolloutAction) -> Written:
        """Ask for a rollout to be paused, resumed, promoted or aborted.

        Raises:
            NotFoundError: there is no such serving.
            NoRolloutError: it has no rollout under way.
        """
        async with self._lock(namespace, name):
            current = await self._present(namespace, name)
            if not is_under_way(current):
                raise NoRolloutError(f"{name} has no rollout under way: there is nothing to {action}")
            request = ServingRolloutRequested(
                namespace=namespace, name=name, generation=current.generation, action=action
            )
            row = serving_row(serving_key(namespace, name), 0, current)
            return await self._writing.submit(self._writing.event(request), Collection.SERVINGS, row)

    async def delete(self, namespace: str, name: str) -> Written:
        """Ask for a serving to go away. Raises NotFoundError."""
        async with self._lock(namespace, name):
            current = await self._present(namespace, name)
            event = self._writing.event(ServingDeleteRequested(namespace=namespace, name=name))
            document = as_deleting(current, self._writing.clock())
            row = serving_row(serving_key(namespace, name), 0, document, accepted_by=event.id)
            return await self._writing.submit(event, Collection.SERVINGS, row)

    async def _resolved(self, request: ServingRequested) -> ServingRequested:
        spec = await self._versions.resolve(request.spec)
        return request.model_copy(update={"spec": spec})

    async def _current(self, namespace: str, name: str) -> ServingDocument | None:
        row = await self._writing.projection.get(Collection.SERVINGS, serving_key(namespace, name))
        return ServingDocument.model_validate_json(row.body) if row else None

    async def _present(self, namespace: str, name: str) -> ServingDocument:
        current = await self._current(namespace, name)
        if current is None or is_gone(current):
            raise NotFoundError(f"there is no serving {name} in {namespace}")
        return current

    async def _request(self, current: ServingDocument | None, request: ServingRequested) -> Written:
        event = self._writing.event(request)
        document = as_requested(current, request, self._writing.clock())
        accepted_by = event.id if document is not current else None
        row = serving_row(serving_key(request.namespace, request.name), 0, document, accepted_by=accepted_by)
        return await self._writing.submit(event, Collection.SERVINGS, row)

    def _lock(self, namespace: str, name: str) -> asyncio.Lock:
        """One request at a time per serving, so that each sees the generation of the one before."""
        return self._locks.setdefault(serving_key(namespace, name), asyncio.Lock())
