"""Requests for servings."""

import asyncio
from dataclasses import replace
from weakref import WeakValueDictionary

from klever_gateway.domain.preconditions import NO_CONDITIONS, Conditions, proven_unmet
from klever_gateway.domain.servings import Known, as_deleting, as_requested, is_in_progress
from klever_gateway.errors import NotFoundError, rejection_error
from kleverproto.preconditions import ABSENT, nothing_to_steer
from kleverproto.rollouts import RolloutAction
from kleverproto.served import applied_models
from kleverproto.servings import (
    ServingDeleteRequested,
    ServingDocument,
    ServingRequested,
    ServingRolloutRequested,
    serving_key,
)

from .serving_requests import ServingRequests
from .submitter import Accepted
from .versions import Versions


class Servings:
    """Accepts requests for servings. The deployer carries them out, and decides requests with a precondition.

    All methods raise TransientError if the request cannot be stored. They take the client's conditions: with
    `if_match` they raise GenerationMismatchError if the serving is at another generation.
    """

    def __init__(self, requests: ServingRequests, versions: Versions) -> None:
        self._requests = requests
        self._versions = versions
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, request: ServingRequested, conditions: Conditions = NO_CONDITIONS) -> Accepted:
        """Request a new serving.

        Raises:
            AlreadyExistsError: the name is taken.
            InvalidRequestError: a model does not exist.
        """
        return await self.replace(request, replace(conditions, if_match=ABSENT))

    async def replace(
        self, request: ServingRequested, conditions: Conditions = NO_CONDITIONS, *, attempt: int = 0
    ) -> Accepted:
        """Request a new spec for a serving. Creates the serving if it does not exist.

        Args:
            request: the requested serving.
            conditions: the client's conditions; without `if_match`, any generation is replaced.
            attempt: number of this attempt; part of the event's id.

        Raises:
            AlreadyExistsError: the client requires that the serving does not exist, but it does.
            InvalidRequestError: a model does not exist.
        """
        expected = conditions.if_match
        resolved = await self._resolved(request)
        async with self._lock(request.namespace, request.name):
            known = await self._find(request.namespace, request.name, conditions)
            document = as_requested(known, resolved, self._requests.submitter.clock())
            is_ahead = expected is not None and expected > (known.last.generation if known.last else ABSENT)
            promised = 1 if is_ahead else document.generation
            data = resolved.replace(generation=promised, expected_generation=expected)
            is_shown = document is not known.present and not is_ahead
            return await self._requests.submit(data, document, conditions, is_shown=is_shown, attempt=attempt)

    async def steer(
        self, namespace: str, name: str, action: RolloutAction, conditions: Conditions = NO_CONDITIONS
    ) -> Accepted:
        """Request to pause, resume, promote or abort a rollout.

        Raises:
            NotFoundError: the serving does not exist.
            NoRolloutError: the serving has no rollout in progress.
        """
        async with self._lock(namespace, name):
            current = await self._present(namespace, name, conditions)
            if not is_in_progress(current):
                raise rejection_error(nothing_to_steer(name, action))
            request = ServingRolloutRequested(
                namespace=namespace, name=name, generation=current.generation, action=action
            )
            return await self._requests.submit(request, current, conditions, is_shown=False)

    async def delete(self, namespace: str, name: str, conditions: Conditions = NO_CONDITIONS) -> Accepted:
        """Request the deletion of a serving. Raises NotFoundError."""
        async with self._lock(namespace, name):
            current = await self._present(namespace, name, conditions)
            request = ServingDeleteRequested(namespace=namespace, name=name, expected_generation=conditions.if_match)
            document = as_deleting(current, self._requests.submitter.clock())
            return await self._requests.submit(request, document, conditions, is_shown=True)

    async def withdraw(self, namespace: str, name: str, key: str) -> int:
        """Request the deletion of a serving, even if the serving's own request has not been handled yet.

        Args:
            namespace: namespace of the serving.
            name: name of the serving.
            key: requests with the same key are the same request.

        Returns:
            The sequence of the request in its stream.
        """
        async with self._lock(namespace, name):
            return await self._requests.withdraw(ServingDeleteRequested(namespace=namespace, name=name), key)

    async def _resolved(self, request: ServingRequested) -> ServingRequested:
        present = (await self._requests.find(request.namespace, request.name)).present
        spec = await self._versions.resolve(request.spec, applied_models(present) if present else ())
        return request.replace(spec=spec)

    async def _find(self, namespace: str, name: str, conditions: Conditions) -> Known:
        """Return the state of a name. Rejects a precondition that cannot be met, unless the request may be repeated."""
        known = await self._requests.find_at(namespace, name, conditions.if_match)
        if conditions.key is None and (problem := proven_unmet(name, known, conditions.if_match)) is not None:
            raise rejection_error(problem)
        return known

    async def _present(self, namespace: str, name: str, conditions: Conditions) -> ServingDocument:
        present = (await self._find(namespace, name, conditions)).present
        if present is None:
            raise NotFoundError(f"there is no serving {name} in {namespace}")
        return present

    def _lock(self, namespace: str, name: str) -> asyncio.Lock:
        """Return the lock of a serving: one request at a time, so that each sees the generation of the previous one."""
        return self._locks.setdefault(serving_key(namespace, name), asyncio.Lock())
