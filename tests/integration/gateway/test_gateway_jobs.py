"""Jobs through the gateway on real NATS: requested, cancelled, retried, deleted; their events and logs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kleverkit.documents import NEVER
from kleverproto.documents import Tombstone
from kleverproto.envelope import parse
from kleverproto.jobs import (
    JobCancelRequested,
    JobDeleteRequested,
    JobDocument,
    JobLogged,
    JobPhase,
    JobRequested,
    JobStarted,
    JobStatus,
)
from kleverproto.references import ModelRef
from kleverproto.streams import JOBS_BUCKET
from support.gateway import Gateway, Owner, digest, owner_at, running_gateway, version_document
from support.golden_events import JOB_SPEC, NOW
from support.waiting import eventually

JOBS = "/namespaces/default/modeljobs"


@pytest.fixture
async def owner(nats_url: str) -> AsyncIterator[Owner]:
    async with owner_at(nats_url) as owner:
        await owner.version(version_document(number=7))
        yield owner


@pytest.fixture
async def gateway(nats_url: str, owner: Owner, tmp_path: Path) -> AsyncIterator[Gateway]:
    assert owner.client.is_connected
    async with running_gateway(nats_url, tmp_path, model_wait_seconds=0.3) as gateway:
        yield gateway


def job(name: str, phase: JobPhase, **changes: Any) -> JobDocument:
    document = JobDocument(id=name, spec=JOB_SPEC, status=JobStatus(phase=phase), created_at=NOW, updated_at=NOW)
    return document.model_copy(update=changes)


async def put(gateway: Gateway, owner: Owner, *documents: JobDocument) -> None:
    """Store these jobs as the owner, and wait until the gateway shows them."""
    for document in documents:
        await owner.job(document.id, document)
    await eventually(lambda: gateway.json(f"{JOBS}/{documents[-1].id}"))


async def last_event(owner: Owner) -> Any:
    js = owner.client.jetstream()
    info = await js.stream_info("KLEVER_JOBS")
    message = await js.get_msg("KLEVER_JOBS", info.state.last_seq)
    return parse(message.headers or {}, message.data or b"")


async def test_the_same_job_twice_is_one_job(gateway: Gateway, owner: Owner) -> None:
    first = await gateway.send("POST", JOBS, json={"ref": "library/iris:v1"})
    second = await gateway.send("POST", JOBS, json={"kind": "extract", "ref": "library/iris:v1"})
    assert (first.status, second.status) == (202, 202)
    assert first.json() == second.json()
    assert first.json()["spec"]["digest"] == digest(7)
    assert (await last_event(owner)).data.id == first.json()["id"]
    assert (await gateway.json(JOBS))["items"] == [first.json()]
    missing = await gateway.send("POST", JOBS, json={"ref": "library/nothing:v1"})
    assert (missing.status, missing.json()["code"]) == (422, "model_not_found")


async def test_conversions_of_the_same_bytes_are_separate_jobs(gateway: Gateway, owner: Owner) -> None:
    body = {"kind": "convert", "ref": "library/iris:v1"}
    answers = [
        await gateway.send("POST", JOBS, json=body | {"conversion": conversion})
        for conversion in ({"to": "ONNX"}, {"to": "ONNX", "quantize": "int8"}, {"to": "onnx"})
    ]
    assert [answer.status for answer in answers] == [202, 202, 202]
    first, second, third = (answer.json()["id"] for answer in answers)
    assert first == third != second
    assert (await last_event(owner)).data.spec.conversion.to == "ONNX"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param({"kind": "convert"}, "requires a target", id="no conversion"),
        pytest.param({"conversion": {"to": "ONNX"}}, "requires a job of the kind convert", id="another kind"),
        pytest.param({"kind": "convert", "conversion": {"to": "ONNX", "into": 1}}, "into", id="an unknown key"),
        pytest.param({"kind": "convert", "conversion": {"to": "Onix"}}, "did you mean ONNX?", id="an unknown format"),
        pytest.param({"kind": "convert", "conversion": {"to": "ONNX", "quantize": "int3"}}, "int8", id="a bad value"),
    ],
)
async def test_a_nonsensical_conversion_is_refused(gateway: Gateway, body: dict[str, Any], says: str) -> None:
    answer = await gateway.send("POST", JOBS, json={"ref": "library/iris:v1"} | body)
    assert answer.status == 422
    assert says in answer.text


async def test_a_running_job_can_be_cancelled_and_a_finished_one_cannot(gateway: Gateway, owner: Owner) -> None:
    await put(gateway, owner, job("a", JobPhase.RUNNING), job("b", JobPhase.SUCCEEDED))
    assert (await gateway.send("POST", f"{JOBS}/a/cancel")).status == 202
    assert (await last_event(owner)).data.id == "a"
    finished = await gateway.send("POST", f"{JOBS}/b/cancel")
    assert (finished.status, finished.json()["code"]) == (409, "job_finished")
    assert (await gateway.send("POST", f"{JOBS}/c/cancel")).status == 404


async def test_a_failed_job_is_retried_whatever_the_reason(gateway: Gateway, owner: Owner) -> None:
    await put(gateway, owner, job("good", JobPhase.SUCCEEDED), job("bad", JobPhase.FAILED))
    answer = await gateway.send("POST", f"{JOBS}/bad/retry")
    assert (answer.status, answer.json()["status"]["phase"], answer.json()["generation"]) == (202, "Pending", 2)
    assert (await last_event(owner)).data == JobRequested(id="bad", spec=JOB_SPEC, again=True)
    assert (await gateway.json(f"{JOBS}/bad"))["status"]["phase"] == "Pending"
    refused = await gateway.send("POST", f"{JOBS}/good/retry")
    assert (refused.status, refused.json()["code"]) == (409, "job_not_retriable")


async def test_a_deleted_job_is_gone_once_its_owner_has_deleted_it(gateway: Gateway, owner: Owner) -> None:
    await put(gateway, owner, job("old", JobPhase.FAILED))
    assert (await gateway.send("DELETE", f"{JOBS}/old")).status == 202
    assert (await last_event(owner)).data == JobDeleteRequested(id="old", spec=JOB_SPEC)
    bucket = owner.documents(JOBS_BUCKET, JobDocument)
    stored = await bucket.get("old")
    assert stored is not None
    await bucket.bury("old", Tombstone(deleted_at=NOW), stored.revision)

    async def gone() -> bool:
        return (await gateway.get(f"{JOBS}/old")).status == 404

    await eventually(gone)
    assert (await gateway.send("DELETE", f"{JOBS}/old")).status == 404


async def test_a_job_deleted_before_its_owner_knew_it_is_gone(gateway: Gateway, owner: Owner) -> None:
    name = (await gateway.send("POST", JOBS, json={"ref": "library/iris:v1"})).json()["id"]
    assert (await gateway.send("DELETE", f"{JOBS}/{name}")).status == 202
    deletion = await last_event(owner)
    intent = await owner.intent("KLEVER_JOBS", deletion.id)
    bucket = owner.documents(JOBS_BUCKET, JobDocument)
    await bucket.bury(name, Tombstone(intent=intent, deleted_at=NOW), NEVER)

    async def gone() -> bool:
        return (await gateway.get(f"{JOBS}/{name}")).status == 404

    await eventually(gone)
    again = await gateway.send("POST", JOBS, json={"ref": "library/iris:v1"})
    assert (again.status, again.json()["status"]["phase"]) == (202, "Pending")
    assert (await gateway.get(f"{JOBS}/{name}")).status == 200


async def test_a_retry_cancelled_before_its_owner_knew_it_is_shown_as_it_ended(gateway: Gateway, owner: Owner) -> None:
    await put(gateway, owner, job("a", JobPhase.FAILED))
    assert (await gateway.send("POST", f"{JOBS}/a/retry")).json()["status"]["phase"] == "Pending"
    assert (await gateway.send("POST", f"{JOBS}/a/cancel")).status == 202
    stop = await last_event(owner)
    assert stop.data == JobCancelRequested(id="a", spec=JOB_SPEC)
    intent = await owner.intent("KLEVER_JOBS", stop.id)
    await owner.job("a", job("a", JobPhase.FAILED, status=JobStatus(phase=JobPhase.FAILED, intent=intent)))

    async def ended() -> bool:
        return bool((await gateway.json(f"{JOBS}/a"))["status"]["phase"] == "Failed")

    await eventually(ended)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", {"a", "b"}, id="no filter"),
        pytest.param("?project=library&model=iris&version=v1.0", {"a"}, id="the model"),
        pytest.param("?phase=Failed", {"b"}, id="the phase"),
        pytest.param("?since=2026-01-03T00:00:00Z", {"b"}, id="the earliest time"),
        pytest.param("?until=2026-01-03T01:00:00%2B01:00", {"a"}, id="the time before which"),
    ],
)
async def test_jobs_are_filtered(gateway: Gateway, owner: Owner, query: str, expected: set[str]) -> None:
    other = JOB_SPEC.model_copy(update={"ref": ModelRef.parse("library/other:v2")})
    second = job("b", JobPhase.FAILED, spec=other, created_at=NOW.replace(day=3))
    await put(gateway, owner, job("a", JobPhase.RUNNING), second)
    assert {each["id"] for each in (await gateway.json(f"{JOBS}{query}"))["items"]} == expected


async def test_the_events_of_a_job_are_listed(gateway: Gateway, owner: Owner) -> None:
    await put(gateway, owner, job("a", JobPhase.RUNNING))
    await owner.publish(JobRequested(id="a", spec=JOB_SPEC), "event-1")
    await owner.publish(JobStarted(id="a", spec=JOB_SPEC), "event-2")
    await owner.publish(JobStarted(id="other", spec=JOB_SPEC), "event-3")
    listed = await gateway.json(f"{JOBS}/a/events")
    assert [each["id"] for each in listed["items"]] == ["event-1", "event-2"]
    assert (await gateway.get(f"{JOBS}/nothing/events")).status == 404


async def test_the_log_of_a_job_is_read_and_followed_to_its_end(gateway: Gateway, owner: Owner) -> None:
    await put(gateway, owner, job("a", JobPhase.RUNNING))
    assert (await gateway.get(f"{JOBS}/a/logs")).text == ""
    await owner.publish(JobLogged(id="a", lines=("one", "two")), "log-1")
    await owner.publish(JobLogged(id="other", lines=("not mine",)), "log-2")
    assert (await gateway.get(f"{JOBS}/a/logs")).text == "one\ntwo\n"
    following = asyncio.create_task(gateway.get(f"{JOBS}/a/logs?follow=true"))
    await owner.publish(JobLogged(id="a", lines=("three",)), "log-3")
    await owner.job("a", job("a", JobPhase.SUCCEEDED))
    assert (await following).text == "one\ntwo\nthree\n"
    assert (await gateway.get(f"{JOBS}/nothing/logs")).status == 404
