"""The life of a job, step by step."""

from datetime import UTC, datetime, timedelta

import pytest

from klever_jobrunner.domain import life
from klever_jobrunner.domain.requests import Request, intent_of, request_of
from klever_jobrunner.errors import INVALID_MODEL, MODEL_NOT_FOUND, WORKER_DIED
from kleverproto.documents import Intent, Problem, Tombstone
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobDocument, JobPhase, JobRequested, JobResult
from kleverproto.models import ModelPushed
from kleverproto.references import ModelRef
from support.jobs import DIGEST, intent, request

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OTHER_DIGEST = f"sha256:{'b' * 64}"
RUNNER = "runner-1"


def started(present: JobDocument | None = None, sequence: int = 1) -> JobDocument:
    job = life.claimed(present, request(sequence), RUNNER, NOW)
    assert job is not None
    return job


def failed(code: str) -> JobDocument:
    job = started()
    ended = life.failed(job, job, Problem(code=code, message="no"), NOW)
    assert ended is not None
    return ended


def test_two_tags_of_the_same_bytes_are_one_job() -> None:
    def pushed(version: str, digest: str = DIGEST) -> Request:
        data = ModelPushed(ref=ModelRef.parse(f"library/iris:{version}"), digest=digest, registry="localhost:5000")
        return request_of(EventSource("registry").event(data, event_id="e"), 1)

    assert pushed("v1").job == pushed("latest").job
    assert pushed("v1").job != pushed("v1", OTHER_DIGEST).job
    assert pushed("v1").is_push


def test_a_requested_job_keeps_the_requested_id() -> None:
    data = JobRequested(id="mine", spec=request().spec)
    event = EventSource("ci").event(data, event_id="e", correlation_id="story")
    asked = request_of(event, 7)
    assert (asked.job, asked.intent) == ("mine", Intent(sequence=7, event_id="e", correlation_id="story"))


def test_an_event_without_a_correlation_starts_one() -> None:
    event = EventSource("ci").event(JobRequested(id="mine", spec=request().spec), event_id="e")
    assert intent_of(event, 7) == Intent(sequence=7, event_id="e", correlation_id="e")


def test_each_attempt_counts_and_the_start_time_is_kept() -> None:
    first = started()
    again = life.claimed(first, request(), RUNNER, NOW + timedelta(minutes=1))
    assert again is not None
    assert (first.status.attempts, again.status.attempts) == (1, 2)
    assert first.status.started_at == again.status.started_at == NOW
    assert again.status.phase is JobPhase.RUNNING


def test_a_completed_job_does_not_complete_again() -> None:
    job = started()
    done = life.succeeded(job, job, JobResult(), NOW)
    assert done is not None
    assert done.status.phase is JobPhase.SUCCEEDED
    assert life.failed(done, job, Problem(code="x", message="late"), NOW) is None
    assert life.claimed(done, request(), RUNNER, NOW) is None
    stopped = life.cancelled(done, intent("stop", 2), None, NOW)
    assert isinstance(stopped, JobDocument)
    assert stopped.status.phase is JobPhase.SUCCEEDED


@pytest.mark.parametrize("code", [MODEL_NOT_FOUND, WORKER_DIED])
def test_a_job_that_failed_for_external_reasons_is_retried_on_a_new_request(code: str) -> None:
    job = failed(code)
    assert life.claimed(job, request(1), RUNNER, NOW) is None
    again = started(job, 2)
    assert (again.generation, again.status.attempts, again.status.problem) == (job.generation + 1, 1, None)


def test_an_outcome_decided_by_the_bytes_is_final() -> None:
    job = life.claimed(failed(INVALID_MODEL), request(2), RUNNER, NOW)
    assert job is not None
    assert (job.status.phase, job.generation) == (JobPhase.FAILED, 1)


def test_the_last_attempt_is_the_eighth() -> None:
    job = started()
    for _ in range(life.MAX_ATTEMPTS - 1):
        assert not life.is_last_attempt(job)
        job = started(job)
    assert life.is_last_attempt(job)
    assert not life.has_died_in_every_attempt(job)
    assert life.has_died_in_every_attempt(started(job))


def test_an_outcome_is_published_under_the_requesting_tag() -> None:
    job = started()
    assert life.with_requested_tag(job, request(version="latest").spec).spec.ref.version == "latest"
    assert life.with_requested_tag(job, request(digest=OTHER_DIGEST).spec) == job


def test_a_job_of_another_jobrunner_starts_only_when_its_claim_has_expired() -> None:
    job = started()
    assert life.claimed(job, request(), "runner-2", NOW) is None
    taken = life.claimed(job, request(), "runner-2", NOW, lapsed=job)
    assert taken is not None
    assert (taken.status.runner, taken.status.attempts) == ("runner-2", 2)
    assert life.succeeded(taken, job, JobResult(), NOW) is None
    assert life.renewed(taken, job, NOW) is None


def test_a_claim_that_was_renewed_since_it_was_read_is_valid() -> None:
    job = started()
    renewed = life.renewed(job, job, NOW + timedelta(seconds=5))
    assert renewed is not None
    assert life.claimed(renewed, request(), "runner-2", NOW, lapsed=job) is None


def test_a_job_that_its_bucket_has_lost_is_recorded_again() -> None:
    before = started()
    job = started(before)
    for lost in (None, before):
        done = life.succeeded(lost, job, JobResult(), NOW)
        assert done is not None
        assert (done.status.phase, done.status.attempts) == (JobPhase.SUCCEEDED, 2)


def test_a_cancellation_counts_even_in_a_bucket_that_is_older_than_the_attempt() -> None:
    before = started()
    job = started(before)
    stopped = life.cancelled(before, intent("stop", 2), None, NOW)
    assert isinstance(stopped, JobDocument)
    assert life.succeeded(stopped, job, JobResult(), NOW) is None


def test_a_deletion_counts_whatever_is_known_of_the_job() -> None:
    job = started()
    tomb = life.deleted(job, intent("delete", 2), None, NOW)
    assert isinstance(tomb, Tombstone)
    assert life.succeeded(tomb, job, JobResult(), NOW) is None
    assert life.claimed(tomb, request(1), RUNNER, NOW) is None


def test_a_job_that_starts_again_after_its_deletion_has_the_next_generation() -> None:
    tomb = life.deleted(started(), intent("delete", 2), None, NOW)
    again = life.claimed(tomb, request(3), RUNNER, NOW)
    assert again is not None
    assert again.generation == 2
