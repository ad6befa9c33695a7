"""Redelivered and unreadable messages."""

from pathlib import Path

import pytest

from kleverproto.envelope import EventSource, encode
from kleverproto.models import ExtractionPhase, ModelPushed
from kleverproto.references import ModelRef
from support.small_models import adder, broken
from support.waiting import eventually
from support.whole_platform import Platform, running_platform


@pytest.mark.timeout(120)
async def test_a_push_that_is_published_twice_is_one_job(platform: Platform, tmp_path: Path) -> None:
    digest = await platform.push(adder(tmp_path / "model", 1), "library/adder:v1")
    await platform.parsed("library/adder:v1")
    data = ModelPushed(
        ref=ModelRef.parse("library/adder:v1"), digest=digest, registry=platform.registry_host, format="ONNX"
    )
    async with platform.jetstream() as js:
        for event_id in ("another-system-1", "another-system-2", "another-system-2"):
            event = EventSource("another-system").event(data, event_id=event_id)
            headers, body = encode(event)
            await js.publish(event.nats_subject, body, headers=headers)

    async def each_was_answered() -> bool:
        return len(await platform.events("klever.job.completed.>")) == 3

    await eventually(each_was_answered, within=20)
    started = await platform.events("klever.job.started.>")
    assert len(started) == 1
    assert len({event["data"]["id"] for event in await platform.events("klever.job.completed.>")}) == 1


@pytest.mark.timeout(120)
async def test_poison_is_dead_lettered_once_and_the_next_push_is_handled(platform: Platform, tmp_path: Path) -> None:
    async with platform.jetstream() as js:
        await js.publish("klever.model.pushed.library.poison", b"\xff not an event")
        await js.publish("klever.serving.requested.default.poison", b'{"spec": 1}', headers={"ce-type": "nonsense"})
    await platform.push(adder(tmp_path / "model", 1), "library/adder:v1")
    await platform.parsed("library/adder:v1")

    async def both_are_dead() -> bool:
        return len(await platform.events("klever.dead.>")) == 2

    await eventually(both_are_dead, within=20)
    letters = [letter["data"] for letter in await platform.events("klever.dead.>")]
    assert {letter["reason"] for letter in letters} == {"poison"}
    assert {letter["deliveries"] for letter in letters} == {1}


@pytest.mark.timeout(120)
async def test_a_file_that_is_not_a_model_fails_its_job_with_the_reason(platform: Platform, tmp_path: Path) -> None:
    await platform.push(broken(tmp_path / "model"), "library/broken:v1")
    failed = await eventually(lambda: platform.events("klever.job.failed.>"), within=30)
    assert failed[0]["data"]["problem"]["code"] == "invalid_model"
    await platform.push(adder(tmp_path / "good", 1), "library/adder:v1")
    model = await platform.parsed("library/adder:v1")
    assert model.status.extraction is ExtractionPhase.SUCCEEDED


@pytest.mark.timeout(120)
async def test_a_hanging_worker_fails_one_job_and_is_replaced(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with running_platform(home, KLEVER_JOBRUNNER_JOB_TIMEOUT_SECONDS="3") as platform:
        for worker in platform.children("klever_jobrunner.adapters.worker"):
            worker.suspend()
        await platform.push(adder(tmp_path / "hung", 1), "library/hung:v1")
        failed = await eventually(lambda: platform.events("klever.job.failed.>"), within=30)
        assert failed[0]["data"]["problem"]["code"] == "timed_out"
        async with platform.client() as client:
            ref = ModelRef.parse("library/hung:v1")

            async def parsed_when_asked_again() -> bool:
                """A first attempt may get another worker that hangs."""
                await client.create_job(ref)
                return (await client.model(ref)).status.extraction is ExtractionPhase.SUCCEEDED

            assert await eventually(parsed_when_asked_again, within=60, every=1)
