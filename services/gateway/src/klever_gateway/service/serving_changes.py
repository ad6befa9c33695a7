"""Changes of a serving that are made from what it has: a version, the traffic, the replicas, an earlier revision."""

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
from .writing import Written

ATTEMPTS = 5
"""A change is made again from what the serving has then, if another one came first; so often at most."""

Edit = Callable[[ServingDocument], ServingSpec]


@dataclass(frozen=True)
class ServingChanges:
    """One use case for each kind of change.

    All methods raise NotFoundError if there is no such serving, InvalidRequestError if the change does not fit it,
    GenerationMismatchError if it is not at the generation that the client requires, or changes all the time, and
    TransientError if the request could not be stored.
    """

    servings: Servings
    requests: ServingRequests

    async def deploy(
        self, namespace: DnsLabel, name: DnsLabel, change: DeployVersion, conditions: Conditions = NO_CONDITIONS
    ) -> Written:
        """Serve a model version, or give it a share of the traffic; creates the serving if there is none."""

        def edit(present: ServingDocument | None) -> ServingSpec:
            return with_version(present, change)

        return await self._change(namespace, name, edit, conditions, create=lambda: edit(None))

    async def change_traffic(
        self, namespace: DnsLabel, name: DnsLabel, change: ChangeTraffic, conditions: Conditions = NO_CONDITIONS
    ) -> Written:
        """Split the requests in another way."""
        return await self._change(namespace, name, lambda present: with_traffic(present, change), conditions)

    async def scale(
        self, namespace: DnsLabel, name: DnsLabel, change: ScaleServing, conditions: Conditions = NO_CONDITIONS
    ) -> Written:
        """Change the number of replicas."""
        return await self._change(namespace, name, lambda present: with_scale(present, change), conditions)

    async def roll_back(
        self, namespace: DnsLabel, name: DnsLabel, change: RollBack, conditions: Conditions = NO_CONDITIONS
    ) -> Written:
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
    ) -> Written:
        """Request the edited spec on the condition that the serving still has what was edited."""
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
    """The generation that the request requires: that of the document which was edited.

    A repeated request requires what it required the first time, since the serving may have changed by it.
    """
    if conditions.if_match is None:
        return generation
    is_repeated = conditions.key is not None and conditions.if_match < generation
    if not is_repeated and (problem := unmet_precondition(name, generation, conditions.if_match)) is not None:
        raise rejection_error(problem)
    return conditions.if_match
