"""The state of a Serving, from the serving's document."""

from datetime import datetime

from klever_gateway.domain.resources.conditions import FALSE, TRUE, State, camel_case, conditions
from klever_gateway.domain.resources.resource import Resource
from kleverproto.custom_resources import ServedVariant, ServingResourceStatus
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase

NOT_FOUND = "NotFound"
CHANGED = (
    FALSE,
    "ChangedOutside",
    "the serving was changed through the API since: change the spec of the resource to replace the serving's spec",
)
DELETED = State(
    is_ready=False,
    reason=NOT_FOUND,
    message="the serving was deleted through the API: change the spec of the resource to create it again",
    is_stalled=True,
    synced=(FALSE, NOT_FOUND, "the serving was deleted through the API"),
)


def serving_state(document: ServingDocument, spec: ServingSpec, serving_generation: int) -> State:
    """Return the state of an accepted Serving.

    Args:
        document: the serving.
        spec: the spec of the resource.
        serving_generation: generation of the serving's document with that spec.
    """
    status = document.status
    is_current = document.generation >= serving_generation
    is_failed = is_current and status.phase is ServingPhase.FAILED
    is_ready = is_current and status.phase is ServingPhase.READY
    problem = status.problem if is_current else None
    return State(
        is_ready=is_ready,
        reason=camel_case(problem.code) if problem else (status.phase if is_current else ServingPhase.PENDING).value,
        message=problem.message if problem else ("" if is_ready else status.step),
        is_progressing=not is_ready and not is_failed,
        is_stalled=is_failed,
        synced=(TRUE, "Accepted", "") if not is_current or has_spec(document.spec, spec) else CHANGED,
    )


def has_spec(present: ServingSpec, wanted: ServingSpec) -> bool:
    """Return whether a serving has a spec. Digests that the spec does not name were resolved when it was accepted."""
    names = {variant.name for variant in wanted.variants if variant.digest is None}
    variants = (each.replace(digest=None) if each.name in names else each for each in present.variants)
    return present.replace(variants=tuple(variants)) == wanted


def serving_status(
    resource: Resource,
    state: State,
    now: datetime,
    *,
    document: ServingDocument | None,
    serving_generation: int | None = None,
) -> ServingResourceStatus:
    """Return the status to write.

    Args:
        resource: the resource, with its present status.
        state: its state.
        now: the current time.
        document: the serving; None if it does not exist.
        serving_generation: generation of the serving with the resource's spec; None if the spec is not accepted now.
    """
    previous = resource.read_status(ServingResourceStatus)
    return ServingResourceStatus(
        observed_generation=resource.generation if state.is_observed else previous.observed_generation,
        requested_generation=previous.requested_generation,
        accepted_generation=previous.accepted_generation if serving_generation is None else resource.generation,
        phase=_phase(resource, state, document).value,
        message=state.short_message,
        conditions=conditions(state, previous.conditions, resource.generation, now),
        serving_generation=previous.serving_generation if serving_generation is None else serving_generation,
        url=document.status.url if document else None,
        variants=_variants(document) if document else (),
    )


def _variants(document: ServingDocument) -> tuple[ServedVariant, ...]:
    names = ServedVariant.model_fields.keys()
    return tuple(
        ServedVariant(**each.model_dump(by_alias=False, include=set(names))) for each in document.status.variants
    )


def _phase(resource: Resource, state: State, document: ServingDocument | None) -> ServingPhase:
    """Return the serving's phase, unless it is that of an earlier generation."""
    if resource.is_deleting:
        return ServingPhase.DELETING
    if state.is_stalled:
        return ServingPhase.FAILED
    is_applied = document is not None and (state.is_ready or document.status.phase is not ServingPhase.READY)
    return document.status.phase if document is not None and is_applied else ServingPhase.PENDING
