"""Requests for servings."""

import asyncio
from weakref import WeakValueDictionary

from klever_gateway.domain.rows import Collection, serving_row
from klever_gateway.domain.servings import Known, as_deleting, as_requested, is_under_way
from klever_gateway.errors import AlreadyExistsError, GenerationMismatchError, NoRolloutError
from kleverkit.errors import NotFoundError, TransientError
from kleverproto.rollouts import RolloutAction
from kleverproto.served import applied_models
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
            known = await self._known(request.namespace, request.name)
            if known.is_present:
                raise AlreadyExistsError(
                    f"there is a serving {request.name} in {request.namespace}: replace it with PUT, or delete it"
                )
            return await self._request(known, resolved)

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
            known = await self._known(request.namespace, request.name)
            present = known.present.generation if known.present else 0
            if if_match not in {None, present}:
                state = f"at generation {present}" if present else "not there"
                raise GenerationMismatchError(
                    f"the serving is {state}, not at generation {if_match}: read it again and repeat the change"
                )
            return await self._request(known, resolved)

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
            row = serving_row(serving_key(namespace, name), 0, document, accepted=True)
            return await self._writing.submit(event, Collection.SERVINGS, row)

    async def _resolved(self, request: ServingRequested) -> ServingRequested:
        present = (await self._known(request.namespace, request.name)).present
        spec = await self._versions.resolve(request.spec, applied_models(present) if present else ())
        return request.model_copy(update={"spec": spec})

    async def _known(self, namespace: str, name: str) -> Known:
        """Raises TransientError where the servings were never read: one that is not known may be there."""
        key = serving_key(namespace, name)
        row = await self._writing.projection.last(Collection.SERVINGS, key)
        if row is None and not await self._writing.projection.is_loaded(Collection.SERVINGS):
            raise TransientError("the gateway has not read the servings yet: try again in a moment")
        document = ServingDocument.model_validate_json(row.body) if row and row.body else None
        return Known(document, is_present=row is not None and not row.hidden)

    async def _present(self, namespace: str, name: str) -> ServingDocument:
        present = (await self._known(namespace, name)).present
        if present is None:
            raise NotFoundError(f"there is no serving {name} in {namespace}")
        return present

    async def _request(self, known: Known, request: ServingRequested) -> Written:
        document = as_requested(known, request, self._writing.clock())
        request = request.model_copy(update={"generation": document.generation})
        accepted = document is not known.present
        row = serving_row(serving_key(request.namespace, request.name), 0, document, accepted=accepted)
        promised = request.model_copy(update={"generation": document.generation})
        return await self._writing.submit(self._writing.event(promised), Collection.SERVINGS, row)

    def _lock(self, namespace: str, name: str) -> asyncio.Lock:
        """One request at a time per serving, so that each sees the generation of the one before."""
        return self._locks.setdefault(serving_key(namespace, name), asyncio.Lock())
