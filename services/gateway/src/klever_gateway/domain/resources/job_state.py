"""The state of a ModelJob, from the job's document."""

from datetime import datetime

from klever_gateway.domain.resources.conditions import FALSE, State, camel_case, conditions
from klever_gateway.domain.resources.resource import Resource
from kleverproto.custom_resources import ConditionType, ModelJobPhase, ModelJobResult, ModelJobStatus
from kleverproto.jobs import JobDocument, JobPhase

PHASES = {
    JobPhase.PENDING: ModelJobPhase.PENDING,
    JobPhase.RUNNING: ModelJobPhase.RUNNING,
    JobPhase.SUCCEEDED: ModelJobPhase.SUCCEEDED,
    JobPhase.FAILED: ModelJobPhase.FAILED,
    JobPhase.CANCELLED: ModelJobPhase.FAILED,
}
DELETED = State(
    is_ready=False,
    reason="NotFound",
    message="the job was deleted through the API before it finished",
    is_stalled=True,
    synced=(FALSE, "NotFound", "the job was deleted through the API"),
    others={ConditionType.COMPLETE: False, ConditionType.FAILED: True},
)


def job_state(document: JobDocument) -> State:
    """Return the state of a ModelJob whose job exists."""
    phase, problem = document.status.phase, document.status.problem
    is_failed = phase in {JobPhase.FAILED, JobPhase.CANCELLED}
    has_succeeded = phase is JobPhase.SUCCEEDED
    message = problem.message if problem else ("the job was cancelled" if phase is JobPhase.CANCELLED else "")
    return State(
        is_ready=has_succeeded,
        reason=camel_case(problem.code) if problem and not has_succeeded else phase.value,
        message="" if has_succeeded else message,
        is_progressing=not phase.is_final,
        is_stalled=is_failed,
        others={ConditionType.COMPLETE: has_succeeded, ConditionType.FAILED: is_failed},
    )


def job_status(
    resource: Resource,
    state: State,
    now: datetime,
    *,
    document: JobDocument | None = None,
    is_accepted: bool = False,
) -> ModelJobStatus:
    """Return the status to write.

    Args:
        resource: the resource, with its present status.
        state: its state.
        now: the current time.
        document: the job; None if it does not exist.
        is_accepted: whether the platform has accepted the job; the resource may have no job yet otherwise.
    """
    previous = resource.read_status(ModelJobStatus)
    status = document.status if document else None
    return ModelJobStatus(
        observed_generation=resource.generation if state.is_observed else previous.observed_generation,
        requested_generation=previous.requested_generation,
        accepted_generation=resource.generation if is_accepted else previous.accepted_generation,
        phase=_phase(resource, state, document).value,
        message=state.short_message,
        conditions=conditions(state, previous.conditions, resource.generation, now),
        job=previous.job,
        digest=previous.digest,
        attempts=status.attempts if status else previous.attempts,
        start_time=status.started_at if status else previous.start_time,
        completion_time=status.finished_at if status else previous.completion_time,
        result=_result(document) if document else previous.result,
    )


def _phase(resource: Resource, state: State, document: JobDocument | None) -> ModelJobPhase:
    if resource.is_deleting:
        return ModelJobPhase.DELETING
    if state.is_stalled or document is None:
        return ModelJobPhase.FAILED if state.is_stalled else ModelJobPhase.PENDING
    return PHASES[document.status.phase]


def _result(document: JobDocument) -> ModelJobResult | None:
    result = document.status.result
    if document.status.phase is not JobPhase.SUCCEEDED or result is None or result.converted is None:
        return None
    converted = result.converted
    verified = converted.record.verification.verified
    return ModelJobResult(ref=str(converted.ref), digest=converted.digest, verified=verified)
