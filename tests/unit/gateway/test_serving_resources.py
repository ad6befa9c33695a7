"""Servings of a cluster: requests, statuses, changes by other clients, deletions and restarts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from klever_gateway.domain.resources.resource import ResourceKind, ResourceName
from klever_gateway.domain.rows import Collection
from klever_gateway.service.arrivals import Arrival
from kleverproto.documents import Problem
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingPhase, ServingRequested, serving_key
from support.gateway import version_document
from support.resource_bench import SERVING, SPEC, Bench
from support.waiting import others


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    async with bench.projecting():
        yield bench


URL = "http://127.0.0.1:8081/serving/default/iris"


def spec(replicas: int) -> dict[str, Any]:
    return {"variants": [{"name": "v1", "model": "library/iris:v1", "replicas": replicas}]}


async def make_ready(bench: Bench, generation: int = 1) -> None:
    """Let the deployer apply the serving."""
    await bench.platform.write_serving(phase=ServingPhase.READY, observed_generation=generation, url=URL)
    status = await bench.until(SERVING, Ready="True", Reconciling="False")
    assert (status["phase"], status["url"]) == ("Ready", URL)


async def test_applied_resource_is_requested_once_and_reports_its_serving(bench: Bench) -> None:
    async with bench.controller():
        bench.store.apply(SERVING, SPEC)
        status = await bench.until(SERVING, Synced="Accepted", Ready="Pending", Reconciling="True", Stalled="False")
        assert (status["phase"], status["observedGeneration"]) == ("Pending", 1)
        await make_ready(bench)
    assert len(bench.platform.deployer.requests) == 1


async def test_each_generation_is_one_request(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        await make_ready(bench)
        bench.store.apply(SERVING, spec(2))
        status = await bench.until(SERVING, Ready="Pending", Synced="Accepted")
        assert (status["observedGeneration"], status["servingGeneration"]) == (2, 2)
        await make_ready(bench, 2)
    assert len(bench.platform.deployer.requests) == 2


async def test_serving_is_not_ready_while_only_its_earlier_generation_is(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        await make_ready(bench)
        bench.platform.deployer.is_away = True
        bench.store.apply(SERVING, spec(2))
        status = await bench.until(SERVING, Ready="False", Synced="Accepted", Reconciling="True")
        assert status["phase"] == "Pending"


@pytest.mark.parametrize(
    ("wrong", "reason", "message"),
    [
        ({"variants": []}, "Invalid", "spec.variants: must have 1 entries or more"),
        (
            {"variants": [{"name": "v1", "model": "library/missing:v1"}]},
            "ModelNotFound",
            "spec.variants.0.model: there is no model version library/missing:v1: push it first with `ormb push`",
        ),
        (
            {"variants": [{"name": "v1", "model": "library/iris:v1", "custom": {"command": ["sh"]}}]},
            "CommandsNotAllowed",
            "custom command",
        ),
    ],
)
async def test_refusal_has_the_words_of_the_api_and_makes_no_request(
    bench: Bench, wrong: dict[str, Any], reason: str, message: str
) -> None:
    async with bench.controller():
        bench.store.apply(SERVING, wrong)
        status = await bench.until(SERVING, Synced=reason, Ready="False", Stalled="True", Reconciling="False")
        assert message in status["message"]
        assert (status["phase"], status["observedGeneration"]) == ("Failed", 1)
    assert not bench.platform.deployer.requests
    assert not bench.resource(SERVING).finalizers, "a refused resource can be deleted at once"
    (notice,) = [notice for _, notice in bench.store.notices]
    assert (notice.reason, notice.is_warning) == (reason, True)


async def test_refused_generation_does_not_change_the_serving_that_runs(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        await make_ready(bench)
        bench.store.apply(SERVING, {"variants": []})
        await bench.until(SERVING, Stalled="Invalid", Ready="False")
        await bench.platform.write_serving(step="another step")
        await bench.until(SERVING, Stalled="Invalid", Ready="False")
    document = await bench.platform.serving()
    assert document is not None
    assert (document.generation, document.status.phase) == (1, ServingPhase.READY)


async def test_refused_resource_is_accepted_once_its_model_exists(bench: Bench) -> None:
    bench.store.apply(SERVING, {"variants": [{"name": "v1", "model": "library/other:v1"}]})
    async with bench.controller():
        await bench.until(SERVING, Synced="ModelNotFound")
        await bench.push(version_document("library/other:v1"))
        await bench.until(SERVING, Synced="Accepted", Stalled="False")


async def test_failed_serving_is_stalled_with_its_problem(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        problem = Problem(code="not_ready", message="the model server exited with 1")
        await bench.platform.write_serving(phase=ServingPhase.FAILED, problem=problem)
        status = await bench.until(SERVING, Ready="NotReady", Stalled="True", Reconciling="False")
        assert (status["phase"], status["message"]) == ("Failed", "the model server exited with 1")


async def test_changes_by_other_clients_are_reported_and_not_undone(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        document = await bench.platform.serving()
        assert document is not None
        variant = document.spec.variants[0].replace(replicas=5)
        changed = document.replace(spec=document.spec.replace(variants=(variant,)), generation=2)
        await bench.platform.replace_serving(changed)
        await bench.until(SERVING, Synced="ChangedOutside")
        _, notice = bench.store.notices[-1]
        assert (notice.reason, notice.is_warning) == ("ChangedOutside", True)
        await bench.request(SERVING, spec(3))
    assert len(bench.platform.deployer.requests) == 2


async def test_deletion_while_nats_is_down_is_carried_out_later(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        bench.platform.is_away = True
        bench.store.remove(SERVING)
        status = await bench.until(SERVING, Ready="Unavailable", Reconciling="True")
        assert status["phase"] == "Deleting"
        assert "NATS cannot be reached" in status["message"]
        bench.platform.is_away = False
        await bench.until(SERVING, Ready="Deleting")
        await bench.platform.complete_deletion()
        await bench.until_gone(SERVING)
    assert await bench.platform.serving() is None


async def test_resource_stays_until_a_tombstone_proves_the_deletion(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        bench.store.remove(SERVING)
        status = await bench.until(SERVING, Ready="Deleting")
        assert status["message"] == "waiting until the deployer has stopped the model servers"
        assert bench.resource(SERVING).is_held
        await bench.platform.complete_deletion()
        await bench.until_gone(SERVING)


@pytest.mark.parametrize("is_handled", [True, False])
async def test_request_of_a_killed_controller_is_not_made_twice(bench: Bench, is_handled: bool) -> None:  # noqa: FBT001
    bench.platform.loses_answers = True
    bench.platform.deployer.is_away = True
    async with bench.controller():
        bench.store.apply(SERVING, SPEC)
        await bench.until(SERVING, Synced="Unavailable")
    status = bench.resource(SERVING).status
    assert (status["requestedGeneration"], status["acceptedGeneration"], status["observedGeneration"]) == (1, 0, 0)
    bench.platform.loses_answers = False
    if is_handled:
        await bench.platform.deployer.handle()
    async with bench.controller():
        await bench.until(SERVING, Synced="Accepted")
    assert len(bench.platform.deployer.requests) == 1


async def test_deletion_after_a_request_whose_answer_was_lost_deletes_the_serving(bench: Bench) -> None:
    bench.platform.loses_answers = True
    bench.platform.deployer.is_away = True
    async with bench.controller():
        bench.store.apply(SERVING, SPEC)
        await bench.until(SERVING, Synced="Unavailable")
    bench.store.remove(SERVING)
    bench.platform.loses_answers = False
    async with bench.controller():
        await bench.until(SERVING, Ready="Deleting")
        assert bench.resource(SERVING).is_held, "the request has not been handled"
        await bench.platform.deployer.handle()
        await bench.platform.complete_deletion()
        await bench.until_gone(SERVING)


async def test_tombstone_of_an_earlier_serving_does_not_prove_the_deletion(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        bench.store.remove(SERVING)
        await bench.until(SERVING, Ready="Deleting")
        await bench.platform.complete_deletion()
        await bench.until_gone(SERVING)
        bench.platform.loses_answers = True
        bench.platform.deployer.is_away = True
        bench.store.apply(SERVING, SPEC)
        await bench.until(SERVING, Synced="Unavailable")
        bench.store.remove(SERVING)
        bench.platform.loses_answers = False
        await bench.until(SERVING, Ready="Deleting")
        await bench.platform.deployer.handle()
        await bench.platform.complete_deletion()
        await bench.until_gone(SERVING)


async def test_only_a_handled_request_after_the_deletion_proves_it(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        bench.platform.deployer.is_away = True
        bench.store.remove(SERVING)
        await bench.until(SERVING, Ready="Deleting")
        await bench.servings().replace(ServingRequested(namespace="default", name="iris", spec=ServingSpec(**spec(3))))
        bench.arrivals.announce(Arrival(Collection.SERVINGS, serving_key("default", "iris")))
        await others(100)
        assert bench.resource(SERVING).is_held, "the deployer has handled neither request"
        await bench.platform.deployer.handle()
        await bench.until_gone(SERVING)
    assert await bench.platform.serving() is not None


async def test_serving_of_another_client_is_not_deleted_with_a_refused_resource(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        bench.store.stored.clear()
        refused = bench.store.apply(SERVING, {"variants": []})
        await bench.until(SERVING, Synced="Invalid")
        bench.store.remove(refused.name)
        await bench.until_gone(SERVING)
    assert await bench.platform.serving() is not None


async def test_serving_that_was_deleted_through_the_api_is_not_created_again(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        await bench.platform.write_serving(phase=ServingPhase.DELETING)
        await bench.platform.complete_deletion()
        await bench.until(SERVING, Ready="NotFound", Stalled="True", Synced="False")
    assert len(bench.platform.deployer.requests) == 1


async def test_resources_of_other_namespaces_are_ignored(bench: Bench) -> None:
    bench.store.managed = frozenset({"mine"})
    managed = ResourceName(ResourceKind.SERVING, "mine", "iris")
    async with bench.controller():
        bench.store.apply(SERVING, SPEC)
        await bench.request(managed, SPEC)
    assert not bench.resource(SERVING).status
    assert [event.data.namespace for event in bench.platform.deployer.requests] == ["mine"]


async def test_cluster_that_does_not_respond_loses_nothing(bench: Bench) -> None:
    async with bench.controller():
        await bench.request(SERVING, SPEC)
        bench.store.is_away = True
        await bench.platform.write_serving(phase=ServingPhase.READY, observed_generation=1)
        bench.store.is_away = False
        await bench.until(SERVING, Ready="True")
