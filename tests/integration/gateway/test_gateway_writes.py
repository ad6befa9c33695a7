"""The gateway on real NATS: requests are stored as events, and their outcome is shown at once."""

import asyncio
import io
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kleverproto.rollouts import RolloutAction, RolloutPhase, RolloutStatus
from kleverproto.servings import ServingLogged, ServingPhase, ServingRolloutRequested
from kleverproto.streams import DEPLOYER_DELETE, DEPLOYER_REQUESTED
from support.gateway import (
    NOW,
    Gateway,
    Owner,
    digest,
    owner_at,
    running_gateway,
    serving_document,
    serving_spec,
    version_document,
)
from support.nats_server import NatsServer
from support.serving_decisions import deciding
from support.waiting import eventually

SERVINGS = "/namespaces/default/servings"
JSON = {"Content-Type": "application/json"}
SPEC: dict[str, Any] = {
    "variants": [{"name": "v1", "model": "library/iris:v1"}],
    "traffic": {"weights": {"v1": 100}},
}


def spec(**variant: Any) -> dict[str, Any]:
    return {**SPEC, "variants": [SPEC["variants"][0] | variant]}


@pytest.fixture
async def owner(nats_url: str) -> AsyncIterator[Owner]:
    async with owner_at(nats_url) as owner:
        await owner.version(version_document(number=7, history=(6, 7)))
        yield owner


@pytest.fixture
async def gateway(nats_url: str, owner: Owner, tmp_path: Path) -> AsyncIterator[Gateway]:
    assert owner.client.is_connected
    async with running_gateway(nats_url, tmp_path, model_wait_seconds=0.3, decision_seconds=0.05) as gateway:
        yield gateway


async def test_a_new_serving_is_pending_at_once_and_its_request_is_in_the_stream(
    gateway: Gateway, owner: Owner
) -> None:
    answer = await gateway.send("POST", SERVINGS, json={"name": "iris", "spec": SPEC})
    assert answer.status == 202, answer.text
    document = answer.json()
    assert (document["generation"], document["status"]["phase"]) == (1, "Pending")
    assert document["spec"]["variants"][0]["digest"] == digest(7)
    event = await owner.last_event("KLEVER_SERVINGS")
    assert event.correlation_id == answer.headers["X-Correlation-Id"]
    assert event.data.spec.variants[0].digest == digest(7)
    assert await gateway.json(f"{SERVINGS}/iris") == document
    assert (await gateway.json("/servings"))["items"] == [document]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", SERVINGS, {"name": "iris", "spec": SPEC}),
        ("PUT", f"{SERVINGS}/iris", {"spec": SPEC}),
        ("POST", f"{SERVINGS}/iris/deploy", {"model": "library/iris:v1"}),
    ],
)
async def test_a_dry_run_requests_nothing(
    gateway: Gateway, owner: Owner, method: str, path: str, body: dict[str, Any]
) -> None:
    before = await owner.intent("KLEVER_SERVINGS")
    answer = await gateway.send(method, f"{path}?dryRun=true", json=body)
    assert answer.status == 200, answer.text
    assert answer.json()["spec"]["variants"][0]["digest"] == digest(7)
    assert (await gateway.send("GET", f"{SERVINGS}/iris")).status == 404
    assert await owner.intent("KLEVER_SERVINGS") == before


async def test_the_accepted_document_is_shown_until_the_owner_has_that_generation(
    gateway: Gateway, owner: Owner
) -> None:
    await owner.serving(serving_document(phase=ServingPhase.READY, url="http://x"))
    await eventually(lambda: gateway.json(f"{SERVINGS}/iris"))
    answer = await gateway.send("PUT", f"{SERVINGS}/iris", json={"spec": spec(replicas=2)})
    assert (answer.status, answer.json()["generation"]) == (202, 2)
    await owner.serving(serving_document(phase=ServingPhase.READY, url="http://late"))
    await owner.serving(serving_document("other"))
    await eventually(lambda: gateway.json(f"{SERVINGS}/other"))
    assert await gateway.json(f"{SERVINGS}/iris") == answer.json()
    new = serving_spec(of=7, replicas=2)
    await owner.serving(serving_document(generation=2, spec=new, phase=ServingPhase.PROGRESSING))

    async def progressing() -> bool:
        listed = await gateway.json(f"{SERVINGS}/iris")
        return bool(listed["status"]["phase"] == "Progressing")

    await eventually(progressing)


async def test_an_accepted_document_survives_a_restart_of_the_gateway(
    nats_url: str, owner: Owner, tmp_path: Path
) -> None:
    assert owner.client.is_connected
    async with running_gateway(nats_url, tmp_path, decision_seconds=0) as gateway:
        answer = await gateway.send("POST", SERVINGS, json={"name": "iris", "spec": SPEC})
    async with running_gateway(nats_url, tmp_path) as gateway:
        assert await gateway.json(f"{SERVINGS}/iris") == answer.json()


async def test_a_serving_is_deleting_at_once_and_gone_once_the_owner_has_removed_it(
    gateway: Gateway, owner: Owner
) -> None:
    await owner.serving(serving_document(phase=ServingPhase.READY))
    await eventually(lambda: gateway.json(f"{SERVINGS}/iris"))
    answer = await gateway.send("DELETE", f"{SERVINGS}/iris")
    assert (answer.status, answer.json()["status"]["phase"]) == (202, "Deleting")
    assert (await gateway.json(f"{SERVINGS}/iris"))["status"]["phase"] == "Deleting"
    await owner.delete_serving("iris")

    async def is_gone() -> bool:
        return (await gateway.get(f"{SERVINGS}/iris")).status == 404

    await eventually(is_gone)
    assert (await gateway.send("DELETE", f"{SERVINGS}/iris")).status == 404
    again = await gateway.send("POST", SERVINGS, json={"name": "iris", "spec": SPEC})
    assert (again.status, again.json()["generation"]) == (202, 2)


async def test_a_superseded_deletion_is_not_shown_for_ever(gateway: Gateway, owner: Owner) -> None:
    await owner.serving(serving_document(phase=ServingPhase.READY))
    await eventually(lambda: gateway.json(f"{SERVINGS}/iris"))
    assert (await gateway.send("DELETE", f"{SERVINGS}/iris")).status == 202
    later = await owner.intent("KLEVER_SERVINGS")
    await owner.serving(serving_document(phase=ServingPhase.READY, intent=later))

    async def ready_again() -> bool:
        return bool((await gateway.json(f"{SERVINGS}/iris"))["status"]["phase"] == "Ready")

    await eventually(ready_again)


async def test_a_request_without_effect_is_not_shown_for_ever(gateway: Gateway, owner: Owner) -> None:
    await owner.serving(serving_document(phase=ServingPhase.READY))
    await eventually(lambda: gateway.json(f"{SERVINGS}/iris"))
    assert (await gateway.send("DELETE", f"{SERVINGS}/iris")).status == 202
    await owner.handle(DEPLOYER_DELETE)

    async def ready_again() -> bool:
        return bool((await gateway.json(f"{SERVINGS}/iris"))["status"]["phase"] == "Ready")

    await eventually(ready_again, within=15)


async def test_a_request_lost_with_its_stream_is_not_shown_for_ever(gateway: Gateway, owner: Owner) -> None:
    assert (await gateway.send("POST", SERVINGS, json={"name": "iris", "spec": SPEC})).status == 202
    assert (await gateway.send("POST", SERVINGS, json={"name": "other", "spec": SPEC})).status == 202
    await owner.recreate("KLEVER_SERVINGS")

    async def is_gone() -> bool:
        return not (await gateway.json("/servings"))["items"]

    await eventually(is_gone, within=15)


async def test_a_request_is_shown_while_it_waits_for_its_owner(gateway: Gateway, owner: Owner) -> None:
    for name in ("first", "second"):
        assert (await gateway.send("POST", SERVINGS, json={"name": name, "spec": SPEC})).status == 202
    await owner.handle(DEPLOYER_REQUESTED)

    async def first_is_gone() -> bool:
        return (await gateway.get(f"{SERVINGS}/first")).status == 404

    await eventually(first_is_gone, within=15)
    assert (await gateway.json(f"{SERVINGS}/second"))["status"]["phase"] == "Pending"


def rollout(phase: RolloutPhase) -> RolloutStatus:
    return RolloutStatus(generation=2, strategy="canary", phase=phase, weight=20, since=NOW)


async def test_a_rollout_is_controlled_through_an_event(gateway: Gateway, owner: Owner) -> None:
    under_way = rollout(RolloutPhase.PROGRESSING)
    await owner.serving(serving_document(generation=2, phase=ServingPhase.PROGRESSING, rollout=under_way))
    await eventually(lambda: gateway.json(f"{SERVINGS}/iris"))
    answer = await gateway.send("POST", f"{SERVINGS}/iris/rollout", json={"action": "pause"})
    assert (answer.status, answer.json()["generation"]) == (202, 2)
    event = await owner.last_event("KLEVER_SERVINGS")
    wanted = ServingRolloutRequested(namespace="default", name="iris", generation=2, action=RolloutAction.PAUSE)
    assert event.data == wanted


async def test_a_completed_rollout_cannot_be_controlled(gateway: Gateway, owner: Owner) -> None:
    await owner.serving(serving_document(generation=2, rollout=rollout(RolloutPhase.PROMOTED)))
    await eventually(lambda: gateway.json(f"{SERVINGS}/iris"))
    answer = await gateway.send("POST", f"{SERVINGS}/iris/rollout", json={"action": "abort"})
    assert (answer.status, answer.json()["code"]) == (409, "no_rollout")
    unknown = await gateway.send("POST", f"{SERVINGS}/iris/rollout", json={"action": "undo"})
    assert (unknown.status, unknown.json()["errors"][0]["field"]) == (422, "action")
    assert (await gateway.send("POST", f"{SERVINGS}/no/rollout", json={"action": "abort"})).status == 404


async def test_the_output_of_model_servers_is_read_with_its_origin(gateway: Gateway, owner: Owner) -> None:
    await owner.serving(serving_document())
    await eventually(lambda: gateway.json(f"{SERVINGS}/iris"))
    for number, variant in enumerate(("v1", "v2")):
        logged = ServingLogged(
            namespace="default", name="iris", variant=variant, revision="a", replica=number, lines=("one", "two")
        )
        await owner.publish(logged, f"log-{variant}")
    assert (await gateway.get(f"{SERVINGS}/iris/logs")).text == "v1/0 | one\nv1/0 | two\nv2/1 | one\nv2/1 | two\n"
    assert (await gateway.get(f"{SERVINGS}/iris/logs?variant=v2")).text == "v2/1 | one\nv2/1 | two\n"
    assert (await gateway.get(f"{SERVINGS}/no/logs")).status == 404


async def test_a_taken_name_is_a_conflict_and_a_stale_generation_fails_its_precondition(
    nats_url: str, owner: Owner, tmp_path: Path
) -> None:
    async with deciding(owner.client), running_gateway(nats_url, tmp_path) as gateway:
        first = await gateway.send("PUT", f"{SERVINGS}/iris", json={"spec": SPEC})
        assert (first.status, first.headers["ETag"]) == (202, '"1"')
        taken = await gateway.send("POST", SERVINGS, json={"name": "iris", "spec": SPEC})
        assert (taken.status, taken.json()["code"]) == (409, "already_exists")
        for name, generation in (("iris", "5"), ("new", "1")):
            body = {"spec": spec(replicas=2)}
            stale = await gateway.send("PUT", f"{SERVINGS}/{name}", json=body, headers={"If-Match": generation})
            assert (stale.status, stale.json()["code"]) == (412, "generation_mismatch")
        body = {"spec": spec(replicas=2)}
        fresh = await gateway.send("PUT", f"{SERVINGS}/iris", json=body, headers={"If-Match": '"1"'})
        assert (fresh.status, fresh.json()["generation"]) == (202, 2)
        for generation, status in (("1", 412), ("2", 202)):
            answer = await gateway.send("DELETE", f"{SERVINGS}/iris", headers={"If-Match": generation})
            assert answer.status == status
        assert answer.json()["status"]["phase"] == "Deleting"


@pytest.mark.parametrize("headers", [{"If-Match": "x"}, {"If-Match": "0"}, {"Idempotency-Key": "x" * 256}])
async def test_invalid_conditions_are_refused(gateway: Gateway, headers: dict[str, str]) -> None:
    answer = await gateway.send("PUT", f"{SERVINGS}/iris", json={"spec": SPEC}, headers=headers)
    assert (answer.status, answer.json()["code"]) == (422, "invalid")


async def test_two_concurrent_changes_get_two_generations(gateway: Gateway) -> None:
    answers = await asyncio.gather(
        *(gateway.send("PUT", f"{SERVINGS}/iris", json={"spec": spec(replicas=n)}) for n in (1, 2, 3))
    )
    assert sorted(answer.json()["generation"] for answer in answers) == [1, 2, 3]


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        pytest.param({"name": "Iris", "spec": SPEC}, "invalid", ["name"], id="a name that is no DNS label"),
        pytest.param({"name": "iris"}, "invalid", ["spec"], id="no spec"),
        pytest.param({"name": "iris", "spec": SPEC, "x": 1}, "invalid", ["x"], id="an unknown key"),
        pytest.param(
            {
                "name": "-",
                "spec": {
                    "variants": [{"name": "v1", "model": "iris"}, {"name": "V2", "model": "a:b", "replicas": 0}],
                    "traffic": {"weights": {"v1": 101}},
                },
            },
            "invalid",
            [
                "name",
                "spec.variants.0.model",
                "spec.variants.1.name",
                "spec.variants.1.replicas",
                "spec.traffic.weights.v1",
                "spec.traffic.weights",
            ],
            id="everything at once",
        ),
        pytest.param(
            {
                "name": "iris",
                "spec": {"variants": SPEC["variants"] * 2, "traffic": {"weights": {"v1": 100}}},
            },
            "invalid",
            ["spec.variants"],
            id="two variants of one name",
        ),
        pytest.param(
            {"name": "iris", "spec": spec(model="library/nothing:v1")},
            "model_not_found",
            ["spec.variants.0.model"],
            id="a model that was never pushed",
        ),
        pytest.param(
            {"name": "iris", "spec": spec(digest=digest(99))},
            "digest_not_found",
            ["spec.variants.0.digest"],
            id="a digest that the tag never had",
        ),
    ],
)
async def test_an_invalid_serving_is_refused_by_field(
    gateway: Gateway, body: dict[str, Any], code: str, fields: list[str]
) -> None:
    answer = await gateway.send("POST", SERVINGS, json=body)
    problem = answer.json()
    assert (answer.status, problem["code"]) == (422, code)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert [error["field"] for error in problem["errors"]] == fields
    assert (await gateway.get(f"{SERVINGS}/iris")).status == 404


async def test_a_model_prefixed_with_a_registry_is_refused_with_advice(gateway: Gateway) -> None:
    body = {"name": "iris", "spec": spec(model="registry.example/iris:v1")}
    problem = (await gateway.send("POST", SERVINGS, json=body)).json()
    assert problem["code"] == "model_not_found"
    assert "or leave out registry.example if it is the registry" in problem["errors"][0]["message"]


async def test_an_earlier_digest_of_the_tag_may_be_served(gateway: Gateway) -> None:
    answer = await gateway.send("PUT", f"{SERVINGS}/iris", json={"spec": spec(digest=digest(6))})
    assert answer.status == 202
    assert answer.json()["spec"]["variants"][0]["digest"] == digest(6)


async def test_a_version_in_transit_is_waited_for(nats_url: str, owner: Owner, tmp_path: Path) -> None:
    async with running_gateway(nats_url, tmp_path, model_wait_seconds=10) as gateway:
        body = {"spec": spec(model="library/late:v1")}
        waiting = asyncio.create_task(gateway.send("PUT", f"{SERVINGS}/late", json=body))
        await gateway.json("/models")
        assert not waiting.done()
        await owner.version(version_document("library/late:v1", number=3))
        answer = await waiting
    assert (answer.status, answer.json()["spec"]["variants"][0]["digest"]) == (202, digest(3))


async def test_nothing_is_accepted_or_stored_without_nats(own_nats: NatsServer, tmp_path: Path) -> None:
    async with owner_at(own_nats.url) as owner, running_gateway(own_nats.url, tmp_path / "data") as gateway:
        await owner.version(version_document())
        await eventually(lambda: gateway.json("/projects/library/models/iris/versions/v1"))
        own_nats.stop()

        async def not_ready() -> bool:
            return not await gateway.is_ready()

        await eventually(not_ready)
        answer = await gateway.send("POST", SERVINGS, json={"name": "iris", "spec": SPEC})
        assert (answer.status, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["Retry-After"]
        assert (await gateway.get(f"{SERVINGS}/iris")).status == 404
        own_nats.start()
        await eventually(gateway.is_ready, within=15)
        assert (await owner.client.jetstream().stream_info("KLEVER_SERVINGS")).state.messages == 0


async def test_a_hanging_nats_is_unavailable_too(own_nats: NatsServer, tmp_path: Path) -> None:
    async with owner_at(own_nats.url) as owner, running_gateway(own_nats.url, tmp_path / "data") as gateway:
        await owner.version(version_document())
        await eventually(lambda: gateway.json("/projects/library/models/iris/versions/v1"))
        assert own_nats.process is not None
        own_nats.process.send_signal(signal.SIGSTOP)

        async def is_noticed() -> bool:
            return "NATS does not answer" in (await gateway.problem("servings") or "")

        try:
            await eventually(is_noticed)  # its threads may still answer once
            answer = await gateway.send("POST", SERVINGS, json={"name": "iris", "spec": SPEC})
            assert (answer.status, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["Retry-After"]
            assert (await gateway.get(f"{SERVINGS}/iris")).status == 404
        finally:
            own_nats.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/nothing", {}, 404, "no_such_route"),
        ("PATCH", f"{SERVINGS}/iris", {}, 405, "method_not_allowed"),
        ("POST", SERVINGS, {"data": b"{", "headers": JSON}, 400, "malformed_json"),
        ("POST", SERVINGS, {"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
        (
            "POST",
            SERVINGS,
            {"data": io.BytesIO(b" " * 2**21), "headers": JSON},
            413,
            "body_too_large",
        ),
        ("GET", "/models?limit=0", {}, 422, "invalid"),
        ("GET", "/models?nothing=1", {}, 422, "invalid"),
        ("GET", "/events?type=dev.klever.nothing.v1", {}, 422, "invalid"),
        ("PUT", "/namespaces/Not%20a%20name/servings/iris", {"json": {"spec": SPEC}}, 422, "invalid"),
    ],
)
async def test_every_refusal_is_a_problem_with_a_code(
    gateway: Gateway, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    answer = await gateway.send(method, path, **options)
    problem = json.loads(answer.text)
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.headers["X-Request-Id"]


async def test_requests_are_measured_by_route_and_carry_the_callers_id(gateway: Gateway) -> None:
    answer = await gateway.get("/projects/a/models/b/versions/c", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["X-Request-Id"] == "mine-1"
    metrics = (await gateway.get("/metrics")).text
    route = "/api/v1alpha1/projects/{project}/models/{model}/versions/{version}"
    assert f'http_response_status_code="404",http_route="{route}"' in metrics


async def test_the_answered_generation_is_the_requested_one(gateway: Gateway, owner: Owner) -> None:
    for replicas in (1, 2):
        answer = await gateway.send("PUT", f"{SERVINGS}/iris", json={"spec": spec(replicas=replicas)})
        assert (await owner.last_event("KLEVER_SERVINGS")).data.generation == answer.json()["generation"] == replicas
