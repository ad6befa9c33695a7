"""The life of a job, step by step."""

from datetime import UTC, datetime, timedelta

import pytest

from klever_jobrunner import domain
from klever_jobrunner.domain import Cause, Request
from klever_jobrunner.errors import INVALID_MODEL, MODEL_NOT_FOUND, WORKER_DIED
from kleverproto.documents import Problem
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobDocument, JobKind, JobPhase, JobRequested, JobResult, JobSpec
from kleverproto.models import ModelPushed
from kleverproto.references import ModelRef

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"


def spec(version: str = "v1") -> JobSpec:
    ref = ModelRef.parse(f"library/iris:{version}")
    return JobSpec(kind=JobKind.EXTRACT, ref=ref, digest=DIGEST, registry="localhost:5000", format="ONNX")


def request(*, version: str = "v1", asked_at: datetime = NOW) -> Request:
    return Request(Cause("event-1", "story-1"), asked_at, "job-1", spec(version))


def begun(present: JobDocument | None = None, *, asked_at: datetime = NOW) -> JobDocument:
    job = domain.begun(present, request(asked_at=asked_at), NOW)
    assert job is not None
    return job


def failed(code: str) -> JobDocument:
    job = domain.failed(begun(), Problem(code=code, message="no"), NOW)
    assert job is not None
    return job


def test_two_tags_of_the_same_bytes_are_one_job() -> None:
    def pushed(version: str, digest: str = DIGEST) -> Request:
        data = ModelPushed(ref=ModelRef.parse(f"library/iris:{version}"), digest=digest, registry="localhost:5000")
        return domain.request_of(EventSource("registry").event(data, event_id="e"))

    assert pushed("v1").job == pushed("latest").job
    assert pushed("v1").job != pushed("v1", f"sha256:{'b' * 64}").job


def test_a_requested_job_keeps_the_id_that_was_asked_for() -> None:
    event = EventSource("ci").event(JobRequested(id="mine", spec=spec()), event_id="e", correlation_id="story")
    found = domain.request_of(event)
    assert (found.job, found.cause) == ("mine", Cause("e", "story"))


def test_an_event_without_a_story_begins_one() -> None:
    event = EventSource("ci").event(JobRequested(id="mine", spec=spec()), event_id="e")
    assert Cause.of(event) == Cause("e", "e")


def test_each_try_counts_and_the_start_stays() -> None:
    first = begun()
    again = domain.begun(first, request(), NOW + timedelta(minutes=1))
    assert again is not None
    assert (first.status.attempts, again.status.attempts) == (1, 2)
    assert first.status.started_at == again.status.started_at == NOW
    assert again.status.phase is JobPhase.RUNNING


def test_what_has_ended_does_not_end_again() -> None:
    done = domain.succeeded(begun(), JobResult(), NOW)
    assert done is not None
    assert done.status.phase is JobPhase.SUCCEEDED
    assert domain.failed(done, Problem(code="x", message="late"), NOW) is None
    assert domain.cancelled(done, NOW) is None
    assert domain.begun(done, request(), NOW) is None


@pytest.mark.parametrize("code", [MODEL_NOT_FOUND, WORKER_DIED])
def test_what_the_world_decided_is_tried_anew_when_asked_after_the_end(code: str) -> None:
    job = failed(code)
    assert domain.begun(job, request(asked_at=NOW - timedelta(seconds=1)), NOW) is None
    again = begun(job, asked_at=NOW + timedelta(seconds=1))
    assert (again.generation, again.status.attempts, again.status.problem) == (job.generation + 1, 1, None)


def test_what_the_bytes_decided_stays_decided() -> None:
    assert domain.begun(failed(INVALID_MODEL), request(asked_at=NOW + timedelta(days=1)), NOW) is None


def test_the_last_try_is_the_one_after_which_the_message_is_given_up() -> None:
    job = begun()
    for _ in range(domain.MAX_ATTEMPTS - 1):
        assert not domain.is_last_attempt(job)
        job = begun(job)
    assert domain.is_last_attempt(job)
    assert not domain.has_ended_every_process(job)
    assert domain.has_ended_every_process(begun(job))


def test_an_outcome_is_told_under_the_tag_that_asked() -> None:
    job = begun()
    assert domain.as_asked(job, spec("latest")).ref.version == "latest"
    other = spec().model_copy(update={"digest": f"sha256:{'b' * 64}"})
    assert domain.as_asked(job, other) == job.spec
