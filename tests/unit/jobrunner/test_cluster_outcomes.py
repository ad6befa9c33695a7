"""Outcomes of Jobs, from statuses as the controller of Jobs and the kubelet write them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from klever_jobrunner.adapters.kubernetes.lines import outcome_in
from klever_jobrunner.adapters.kubernetes.outcomes import CommandFailedError, is_finished, result_of
from klever_jobrunner.adapters.kubernetes.results import checked
from klever_jobrunner.adapters.kubernetes.starts import StartWatch, obstacle
from klever_jobrunner.domain.command import RunOutcome
from klever_jobrunner.errors import INTERNAL, INVALID_SAMPLES, MODEL_NOT_FOUND, PULL_FAILED, WORKER_DIED, JobError
from kleverkit.errors import TransientError
from kleverkube.jobs import render_job
from kleverkube.manifest import Manifest
from kleverproto.conversions import Conversion, ConversionRecord, ConvertedModel, Verification
from kleverproto.documents import Problem
from kleverproto.jobs import JobKind, JobResult, JobSpec
from support.jobs import DIGEST, SCAN, SIGNATURE, request
from support.model_jobs import job_options, model_job

INITIALIZER = "ormb-storage-initializer"
RESULT = JobResult(signature=SIGNATURE, scan=SCAN)
FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached its limit"}
COMPLETE = {"type": "Complete", "status": "True"}
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def job(*conditions: dict[str, str]) -> Manifest:
    return {**render_job(model_job(), job_options()), "status": {"conditions": list(conditions)}}


def pod(container: str, code: int, message: str = "") -> Manifest:
    template = job()["spec"]["template"]
    state = {"terminated": {"exitCode": code, "reason": "Error", "message": message}}
    return {**template, "status": {"initContainerStatuses": [{"name": container, "state": state}]}}


def failure(container: str, code: int, problem: Problem | None = None, message: str = "") -> Exception:
    outcomes = {container: RunOutcome(problem=problem)} if problem else {}
    with pytest.raises((JobError, TransientError, CommandFailedError)) as raised:
        result_of(job(FAILED), pod(container, code, message), outcomes, "publish")
    return raised.value


def test_job_is_finished_once_it_has_one_of_two_conditions() -> None:
    suspended = {"type": "Suspended", "status": "True"}
    assert [is_finished(job(*each)) for each in ([], [suspended], [COMPLETE], [FAILED])] == [False, False, True, True]


def test_result_is_that_of_the_last_container() -> None:
    outcomes = {"run": RunOutcome(result=JobResult()), "publish": RunOutcome(result=RESULT)}
    assert result_of(job(COMPLETE), None, outcomes, "publish") == RESULT
    with pytest.raises(TransientError, match="log with the result is gone"):
        result_of(job(COMPLETE), None, {"run": RunOutcome(result=RESULT)}, "publish")


@pytest.mark.parametrize(
    ("container", "code", "kind", "problem"),
    [
        (INITIALIZER, 75, TransientError, PULL_FAILED),
        (INITIALIZER, 66, JobError, MODEL_NOT_FOUND),
        (INITIALIZER, 1, JobError, PULL_FAILED),
        ("samples", 66, JobError, INVALID_SAMPLES),
        ("run", 137, TransientError, WORKER_DIED),
        ("publish", 143, TransientError, WORKER_DIED),
        ("run", 1, JobError, WORKER_DIED),
    ],
)
def test_exit_of_a_container_is_permanent_or_transient(
    container: str, code: int, kind: type[JobError | TransientError], problem: str
) -> None:
    error = failure(container, code, message="the last lines")
    assert isinstance(error, kind)
    assert error.code == problem


@pytest.mark.parametrize(
    ("code", "kind"), [(10, JobError), (2, JobError), (75, TransientError), (70, CommandFailedError)]
)
def test_problem_that_the_command_reports_is_that_of_the_job(code: int, kind: type[Exception]) -> None:
    error = failure("run", code, Problem(code="verification_failed", message="differs"))
    assert (type(error), str(error)) == (kind, "differs")


def test_last_outcome_of_a_container_counts_and_lines_of_programs_are_none() -> None:
    lines: list[str] = []
    forged = json.dumps({"line": RunOutcome(result=RESULT).model_dump_json()})
    assert outcome_in(forged, lines.append) is None
    assert outcome_in(RunOutcome(result=RESULT).model_dump_json(exclude_none=True), lines.append) == RunOutcome(
        result=RESULT
    )
    for other in ("plain text", "{}", "[]", '{"result": 7}', '{"event": "started", "level": "info"}', ""):
        assert outcome_in(other, lines.append) is None
    assert lines[1:] == ["plain text", "{}", "[]", '{"result": 7}', '{"event": "started", "level": "info"}']


CONVERT = JobSpec(
    kind=JobKind.CONVERT,
    ref=request().spec.ref,
    digest=DIGEST,
    registry="localhost:5000",
    conversion=Conversion(to="PMML"),
)
RECORD = ConversionRecord(
    source_format="SKLearn", target_format="PMML", steps=(), verification=Verification(verified=True), seconds=1.0
)


def converted(**changes: Any) -> JobResult:
    usual = {"ref": request(version="v1-pmml").spec.ref, "digest": DIGEST, "registry": "10.0.0.1:5000"}
    return JobResult(converted=ConvertedModel(**(usual | changes), record=RECORD))


def test_result_names_the_registry_as_documents_do() -> None:
    result = checked(CONVERT, converted()).converted
    assert result is not None
    assert (result.registry, str(result.ref)) == ("localhost:5000", "library/adder:v1-pmml")


@pytest.mark.parametrize(
    ("spec", "result"),
    [
        (CONVERT, converted(ref=request(version="v2").spec.ref)),
        (CONVERT, RESULT),
        (request().spec, converted()),
        (request().spec, JobResult(scan=SCAN)),
        (request().spec, JobResult()),
    ],
)
def test_result_of_another_job_is_refused(spec: JobSpec, result: JobResult) -> None:
    with pytest.raises(JobError, match="of another job") as raised:
        checked(spec, result)
    assert raised.value.code == INTERNAL


def test_only_a_lasting_obstacle_is_a_failure() -> None:
    watch = StartWatch(patience=10)
    assert watch.note("no node", 0)
    assert not watch.note("no node", 9)
    assert not watch.is_over(9)
    watch.note(None, 9.5)
    assert watch.note("no image", 10)
    assert not watch.is_over(15)
    watch.note("no secret", 16)
    assert watch.is_over(20)


def test_newest_warning_explains_why_there_is_no_pod() -> None:
    events = [
        {"type": "Warning", "message": "exceeded quota", "lastTimestamp": "2026-01-01T00:00:02Z"},
        {"type": "Warning", "message": "older", "lastTimestamp": "2026-01-01T00:00:01Z"},
        {"type": "Normal", "message": "created", "lastTimestamp": "2026-01-01T00:00:03Z"},
    ]
    assert obstacle(None, events, NOW) == "the cluster has created no pod: exceeded quota"
    assert obstacle(None, [], NOW) == "the cluster has created no pod"
    assert obstacle(pod("run", 0), [], NOW) is None
