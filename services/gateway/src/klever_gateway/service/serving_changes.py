"""Edits of a serving's present spec: a version, the traffic, the replicas, an earlier revision."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from klever_gateway.domain.edits import earlier_revision, with_scale, with_traffic
from klever_gateway.domain.preconditions import NO_CONDITIONS, Conditions
from klever_gateway.domain.version_edits import with_version
from klever_gateway.errors import AlreadyExistsError, GenerationMismatchError, NotFoundError, rejection_error
from kleverproto.preconditions import ABSENT, unmet_precondition
from kleverproto.references import DnsLabel
from kleverproto.serving_changes import ChangeTraffic, DeployVersion, RollBack, ScaleServing
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingRequested

from .serving_requests import ServingRequests
from .servings import Servings
from .submitter import Accepted

ATTEMPTS = 5
"""Most attempts for a change. If another change is accepted first, the edit is applied to the new spec."""

Edit = Callable[[ServingDocument], ServingSpec]


@dataclass(frozen=True)
class ServingChanges:
    """One use case for each kind of change.

    All methods raise NotFoundError if the serving does not exist, InvalidRequestError if the change does not fit it,
    GenerationMismatchError if it is not at the generation that the client requires, or if other changes preceded
    every attempt, and TransientError if the request cannot be stored.
    """

    servings: Servings
    requests: ServingRequests

    async def deploy(
        self, namespace: DnsLabel, name: DnsLabel, change: DeployVersion, conditions: Conditions = NO_CONDITIONS
    ) -> Accepted:
        """Serve a model version, or give it a share of the traffic. Creates the serving if it does not exist."""

        def edit(present: ServingDocument | None) -> ServingSpec:
            return with_version(present, change)

        return await self._change(namespace, name, edit, conditions, create=lambda: edit(None))

    async def change_traffic(
        self, namespace: DnsLabel, name: DnsLabel, change: ChangeTraffic, conditions: Conditions = NO_CONDITIONS
    ) -> Accepted:
        """Change the split of the traffic."""
        return await self._change(namespace, name, lambda present: with_traffic(present, change), conditions)

    async def scale(
        self, namespace: DnsLabel, name: DnsLabel, change: ScaleServing, conditions: Conditions = NO_CONDITIONS
    ) -> Accepted:
        """Change the number of replicas."""
        return await self._change(namespace, name, lambda present: with_scale(present, change), conditions)

    async def roll_back(
        self, namespace: DnsLabel, name: DnsLabel, change: RollBack, conditions: Conditions = NO_CONDITIONS
    ) -> Accepted:
        """Serve an earlier revision again."""
        generation = change.generation
        return await self._change(namespace, name, lambda present: earlier_revision(present, generation), conditions)

    async def _change(
        self,
        namespace: str,
        name: str,
        edit: Edit,
        conditions: Conditions,
        create: Callable[[], ServingSpec] | None = None,
    ) -> Accepted:
        """Request the edited spec, with the generation of the edited document as precondition."""
        attempt = 0
        while True:
            present = (await self.requests.find_at(namespace, name, conditions.if_match)).present
            generation = present.generation if present else ABSENT
            spec = _edited(name, present, edit, create)
            request = ServingRequested(namespace=namespace, name=name, spec=spec)
            try:
                expected = _expected(name, generation, conditions)
                return await self.servings.replace(request, replace(conditions, if_match=expected), attempt=attempt)
            except (GenerationMismatchError, AlreadyExistsError):
                attempt += 1
                if conditions.if_match is not None or attempt == ATTEMPTS:
                    raise
            await self.requests.wait_for_change(namespace, name, generation)


def _edited(
    name: str, present: ServingDocument | None, edit: Edit, create: Callable[[], ServingSpec] | None
) -> ServingSpec:
    if present is not None:
        return edit(present)
    if create is None:
        raise NotFoundError(f"there is no serving {name}: deploy a model version first")
    return create()


def _expected(name: str, generation: int, conditions: Conditions) -> int:
    """Return the generation that the request requires: that of the edited document.

    A repeated request requires the same generation as before: the first one may have changed the serving.
    """
    if conditions.if_match is None:
        return generation
    is_repeated = conditions.key is not None and conditions.if_match < generation
    if not is_repeated and (problem := unmet_precondition(name, generation, conditions.if_match)) is not None:
        raise rejection_error(problem)
    return conditions.if_match
