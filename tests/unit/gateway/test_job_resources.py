"""ModelJobs of a cluster: requests, statuses, shared jobs, jobs of other clients, deletions and restarts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from klever_gateway.domain.resources.resource import ResourceKind, ResourceName
from kleverproto import subjects
from kleverproto.custom_resources import ORIGIN_LABEL, ModelJobSpec, model_job_spec
from kleverproto.documents import Intent, Problem
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDeleteRequested, JobDocument, JobKind, JobPhase, JobRequested, JobSpec, JobStatus
from kleverproto.references import ModelRef
from support.gateway import NOW, digest, version_document
from support.resource_bench import EXTRACTION, JOB, Bench
from support.waiting import others

OTHER = ResourceName(ResourceKind.MODEL_JOB, "default", "other")
CONVERSION: dict[str, Any] = {"model": "library/iris:v1", "desiredTag": "library/iris:new"}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    async with bench.projecting():
        yield bench


def requests(bench: Bench, kind: type[JobRequested] | type[JobDeleteRequested]) -> list[Any]:
    return [event.data for event in bench.platform.requests if isinstance(event.data, kind)]


def foreign_job(namespace: str = "default") -> JobDocument:
    """A job that was requested through the API."""
    ref = ModelRef.parse("library/iris:v1")
    spec = JobSpec(kind=JobKind.EXTRACT, namespace=namespace, ref=ref, digest=digest(1), registry="127.0.0.1:5000")
    intent = Intent(sequence=0, event_id="foreign", correlation_id="foreign")
    status = JobStatus(phase=JobPhase.RUNNING, intent=intent)
    return JobDocument(id=job_id(spec), spec=spec, status=status, created_at=NOW, updated_at=NOW)


async def test_job_is_requested_once_and_reports_its_phases(bench: Bench) -> None:
    async with bench.controller():
        bench.store.apply(JOB, EXTRACTION)
        status = await bench.until(JOB, Synced="Accepted", Ready="Pending", Complete="False", Failed="False")
        assert (status["phase"], status["observedGeneration"], status["digest"]) == ("Pending", 1, digest(1))
        await bench.platform.finish_job(phase=JobPhase.RUNNING, attempts=1, started_at=NOW)
        status = await bench.until(JOB, Ready="Running", Reconciling="True")
        assert (status["phase"], status["startTime"]) == ("Running", "2026-01-02T03:04:05Z")
        await bench.platform.finish_job(phase=JobPhase.SUCCEEDED, finished_at=NOW)
        status = await bench.until(JOB, Ready="True", Complete="True", Failed="False", Reconciling="False")
        assert (status["phase"], status["completionTime"]) == ("Succeeded", "2026-01-02T03:04:05Z")
    assert len(requests(bench, JobRequested)) == 1


@pytest.mark.parametrize("phase", [JobPhase.FAILED, JobPhase.CANCELLED])
async def test_failure_is_a_failure(bench: Bench, phase: JobPhase) -> None:
    problem = Problem(code="invalid_model", message="the file is truncated") if phase is JobPhase.FAILED else None
    async with bench.controller():
        await bench.request(JOB, EXTRACTION)
        await bench.platform.finish_job(phase=phase, problem=problem)
        status = await bench.until(JOB, Failed="True", Complete="False", Ready="False", Stalled="True")
        expected = ("InvalidModel", "the file is truncated") if problem else ("Cancelled", "the job was cancelled")
        conditions = {each["type"]: each for each in status["conditions"]}
        assert (conditions["Failed"]["reason"], status["message"]) == expected
        assert status["phase"] == "Failed"


@pytest.mark.parametrize(
    "conversion", [{"to": "onnx"}, {"mmdnn": {"from": "ONNX", "to": "OpenVINO"}, "options": {"a": "b"}}]
)
async def test_conversion_has_the_request_of_the_api(bench: Bench, conversion: dict[str, Any]) -> None:
    async with bench.controller():
        bench.store.apply(JOB, {**CONVERSION, "conversion": conversion})
        await bench.until(JOB, Synced="Accepted")
    (request,) = requests(bench, JobRequested)
    assert request.spec.conversion.to == ("ONNX" if "to" in conversion else "OpenVINO")
    assert (str(request.spec.conversion.ref), request.spec.conversion.options) == (
        "library/iris:new",
        conversion.get("options", {}),
    )


@pytest.mark.parametrize(
    ("wrong", "reason", "message"),
    [
        ({"model": "library/iris:v1"}, "Invalid", "set exactly one of extraction, scan and conversion"),
        ({"model": "library/iris:v1", "conversion": {"to": "Magic"}}, "Invalid", "unknown format Magic"),
        ({"model": "library/none:v1", "scan": {}}, "ModelNotFound", "there is no model version library/none:v1"),
        ({"model": "library/iris:v1", "extraction": {"format": "H5"}}, "Invalid", "has the format ONNX, not H5"),
    ],
)
async def test_refused_job_has_failed_and_makes_no_request(
    bench: Bench, wrong: dict[str, Any], reason: str, message: str
) -> None:
    async with bench.controller():
        bench.store.apply(JOB, wrong)
        status = await bench.until(JOB, Synced=reason, Failed="True", Stalled="True")
        assert message in status["message"]
        assert (status["phase"], status["observedGeneration"]) == ("Failed", 1)
    assert not bench.platform.requests
    assert not bench.resource(JOB).finalizers


async def test_two_resources_for_the_same_work_have_one_job_which_the_last_one_deletes(bench: Bench) -> None:
    async with bench.controller():
        bench.store.apply(JOB, EXTRACTION)
        bench.store.apply(OTHER, EXTRACTION)
        statuses = [await bench.until(name, Synced="Accepted") for name in (JOB, OTHER)]
        assert statuses[0]["job"] == statuses[1]["job"]
        bench.store.remove(JOB)
        await bench.until_gone(JOB)
        assert not requests(bench, JobDeleteRequested)
        bench.store.remove(OTHER)
        await bench.until_gone(OTHER)
    assert len(requests(bench, JobDeleteRequested)) == 1


async def test_job_is_not_deleted_from_a_resource_that_requests_it_meanwhile(bench: Bench) -> None:
    bench.platform.deletions_may_pass = asyncio.Event()
    async with bench.controller():
        await bench.request(JOB, EXTRACTION)
        bench.store.remove(JOB)
        await others(100)
        bench.store.apply(OTHER, EXTRACTION)
        await others(100)
        bench.platform.deletions_may_pass.set()
        await bench.until_gone(JOB)
        await bench.until(OTHER, Synced="Accepted", Ready="Pending")
        await others(100)
    (stored,) = (await bench.platform.jobs.listing()).documents
    assert (stored.document.id, bench.resource(OTHER).status["phase"]) == (bench.resource(OTHER).job, "Pending")


async def test_deletion_while_nats_is_down_is_carried_out_later(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(JOB, EXTRACTION)
        bench.platform.is_away = True
        bench.store.remove(JOB)
        status = await bench.until(JOB, Ready="Unavailable")
        assert status["phase"] == "Deleting"
        bench.platform.is_away = False
        await bench.until_gone(JOB)
    assert len(requests(bench, JobDeleteRequested)) == 1
    assert not (await bench.platform.jobs.listing()).documents


async def test_resource_stays_until_a_tombstone_proves_the_deletion(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(JOB, EXTRACTION)
        bench.platform.handles_jobs = False
        bench.store.remove(JOB)
        status = await bench.until(JOB, Ready="Deleting")
        assert status["message"] == "waiting until the jobrunner has deleted the job"
        await bench.platform.handle_jobs()
        await bench.until_gone(JOB)


async def test_tombstone_of_an_earlier_job_does_not_prove_the_deletion(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(JOB, EXTRACTION)
        bench.store.remove(JOB)
        await bench.until_gone(JOB)
        bench.platform.loses_answers, bench.platform.handles_jobs = True, False
        bench.store.apply(JOB, EXTRACTION)
        await bench.until(JOB, Synced="Unavailable")
        bench.store.remove(JOB)
        bench.platform.loses_answers = False
        await bench.until(JOB, Ready="Deleting")
        await bench.platform.handle_jobs()
        await bench.until_gone(JOB)


async def test_killed_controller_requests_the_bytes_that_it_had_recorded(bench: Bench) -> None:
    bench.platform.is_away = True
    async with bench.controller():
        bench.store.apply(JOB, EXTRACTION)
        await bench.until(JOB, Synced="Unavailable")
    recorded = bench.resource(JOB).status["job"]
    await bench.push(version_document("library/iris:v1", number=2))
    bench.platform.is_away = False
    async with bench.controller():
        await bench.until(JOB, Synced="Accepted")
    (request,) = requests(bench, JobRequested)
    assert (request.id, request.spec.digest) == (recorded, digest(1))


async def test_job_that_a_killed_controller_has_requested_is_accepted_although_its_model_is_deleted(
    bench: Bench,
) -> None:
    bench.platform.loses_answers = True
    bench.platform.handles_jobs = False
    async with bench.controller():
        bench.store.apply(JOB, EXTRACTION)
        await bench.until(JOB, Synced="Unavailable")
    bench.platform.loses_answers = False
    await bench.platform.handle_jobs()
    await bench.push()
    async with bench.controller():
        status = await bench.until(JOB, Synced="Accepted")
    assert status["phase"] == "Pending"
    assert len(requests(bench, JobRequested)) == 1


async def test_job_that_was_deleted_through_the_api_has_failed(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(JOB, EXTRACTION)
        await bench.platform.delete_job()
        status = await bench.until(JOB, Synced="NotFound", Failed="True")
        assert status["phase"] == "Failed"
    assert len(requests(bench, JobRequested)) == 1


async def test_job_of_another_client_appears_once_and_vanishes_with_the_job(bench: Bench) -> None:
    job = foreign_job()
    name = ResourceName(ResourceKind.MODEL_JOB, "default", job.id)
    await bench.platform.run_job(job)
    for _ in range(2):
        async with bench.controller(mirrors=True):
            await bench.until_shown(name)
            status = await bench.until(name, Ready="Running", Synced="Accepted")
            assert status["job"] == job.id
    assert bench.resource(name).spec == {"model": "library/iris:v1", "extraction": {}}
    assert list(bench.store.stored) == [name]
    assert not bench.platform.requests, "a ModelJob that shows a job requests nothing"
    async with bench.controller(mirrors=True):
        await bench.platform.delete_job()
        await bench.until_gone(name)
    assert not bench.platform.requests


async def test_deletion_of_a_resource_that_shows_a_job_deletes_the_job(bench: Bench) -> None:
    job = foreign_job()
    name = ResourceName(ResourceKind.MODEL_JOB, "default", job.id)
    await bench.platform.run_job(job)
    async with bench.controller(mirrors=True):
        await bench.until_shown(name)
        await bench.until(name, Ready="Running")
        bench.store.remove(name)
        await bench.until_gone(name)
        assert not (await bench.platform.jobs.listing()).documents
    assert name not in bench.store.stored


async def test_requested_job_is_not_shown_a_second_time(bench: Bench) -> None:
    async with bench.controller(mirrors=True):
        await bench.request(JOB, EXTRACTION)
        await bench.platform.finish_job(phase=JobPhase.SUCCEEDED)
        await bench.until(JOB, Ready="True")
    async with bench.controller(mirrors=True):
        bench.store.apply(OTHER, {**EXTRACTION, "extraction": {"format": "ONNX"}})
        await bench.until(OTHER, Ready="True")
    assert set(bench.store.stored) == {JOB, OTHER}


async def test_label_of_a_user_does_not_show_jobs_of_other_namespaces(bench: Bench) -> None:
    job = foreign_job("theirs")
    await bench.platform.run_job(job)
    forged = ResourceName(ResourceKind.MODEL_JOB, "default", job.id)
    bench.store.apply(forged, EXTRACTION, {ORIGIN_LABEL: "platform"})
    async with bench.controller():
        await bench.request(JOB, EXTRACTION)
        bench.store.remove(JOB)
        await bench.until_gone(JOB)
    assert not bench.resource(forged).status
    assert not requests(bench, JobDeleteRequested), "the job belongs to another namespace"


@pytest.mark.parametrize(
    "spec",
    [
        {"model": "library/iris:v1", "scan": {}},
        {**CONVERSION, "conversion": {"to": "ONNX", "options": {"opset": "17"}, "samples": {"x": [[1.5]]}}},
    ],
)
def test_shown_job_has_the_spec_that_would_request_it(spec: dict[str, Any]) -> None:
    written = ModelJobSpec.model_validate(spec)
    ref = ModelRef.parse(written.model)
    job = JobSpec(kind=written.kind, ref=ref, digest=digest(1), registry="r", conversion=written.requested_conversion())
    shown = model_job_spec(job)
    assert (shown.kind, shown.requested_conversion()) == (written.kind, written.requested_conversion())
    assert shown.model_dump(mode="json", exclude_defaults=True) == spec


def test_id_of_a_job_is_a_name_of_a_resource() -> None:
    identifier = foreign_job().id
    assert subjects.escape(identifier) == identifier == identifier.lower()
