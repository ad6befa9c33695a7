"""Deleting models through the gateway: requested by events, refused while a serving uses the model."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kleverproto.models import ModelDeleteRequested
from kleverproto.references import ModelRef
from support.gateway import Gateway, Owner, owner_at, running_gateway, serving_document, serving_spec, version_document
from support.waiting import eventually

MODEL = "/projects/library/models/iris"
VERSION = f"{MODEL}/versions/v1"


@pytest.fixture
async def owner(nats_url: str) -> AsyncIterator[Owner]:
    async with owner_at(nats_url) as owner:
        for number, ref in enumerate(("library/iris:v1", "library/iris:v2", "library/other:v1"), 1):
            await owner.version(version_document(ref, number=number))
        yield owner


@pytest.fixture
async def gateway(nats_url: str, owner: Owner, tmp_path: Path) -> AsyncIterator[Gateway]:
    assert owner.client.is_connected
    async with running_gateway(nats_url, tmp_path, model_wait_seconds=0.3) as gateway:
        yield gateway


async def requests(owner: Owner) -> list[str]:
    """The versions whose deletion was requested, in order."""
    state = (await owner.client.jetstream().stream_info("KLEVER_MODELS")).state
    events = [await owner.event("KLEVER_MODELS", each) for each in range(state.first_seq, state.last_seq + 1)]
    return [str(event.data.ref) for event in events if isinstance(event.data, ModelDeleteRequested)]


async def test_the_deletion_of_a_version_is_requested_by_the_digest_that_was_read(
    gateway: Gateway, owner: Owner
) -> None:
    answer = await gateway.send("DELETE", VERSION)
    assert (answer.status, answer.json()["spec"]["ref"]["version"]) == (202, "v1")
    version = version_document(number=1)
    assert (await owner.last_event("KLEVER_MODELS")).data == ModelDeleteRequested(
        ref=ModelRef.parse("library/iris:v1"), digest=version.spec.digest, generation=1, created_at=version.created_at
    )


async def test_a_served_version_is_not_deleted_and_the_answer_names_its_servings(
    gateway: Gateway, owner: Owner
) -> None:
    await owner.serving(serving_document())
    await owner.serving(serving_document("other", spec=serving_spec("library/iris:v2", of=2)))
    await eventually(lambda: gateway.json("/namespaces/default/servings/other"))
    for path in (VERSION, MODEL):
        answer = await gateway.send("DELETE", path)
        assert (answer.status, answer.json()["code"]) == (409, "model_served")
        assert "library/iris:v1 is served by default/iris: deploy another version there" in answer.json()["detail"]
    assert await requests(owner) == []


async def test_a_version_in_another_registry_is_not_deleted_and_the_answer_names_it(
    gateway: Gateway, owner: Owner
) -> None:
    kept = version_document("library/iris:v3", number=4)
    elsewhere = kept.spec.model_copy(update={"registry": "harbor.example.com"})
    await owner.version(kept.model_copy(update={"spec": elsewhere}))
    await eventually(lambda: gateway.json(f"{MODEL}/versions/v3"))
    for path in (f"{MODEL}/versions/v3", MODEL):
        answer = await gateway.send("DELETE", path)
        assert (answer.status, answer.json()["code"]) == (409, "other_registry")
        assert "library/iris:v3 is stored by harbor.example.com: delete it there" in answer.json()["detail"]
    assert await requests(owner) == []


async def test_a_newly_requested_serving_protects_its_model(gateway: Gateway) -> None:
    body = {"spec": {"variants": [{"name": "v1", "model": "library/iris:v1"}]}}
    assert (await gateway.send("PUT", "/namespaces/default/servings/iris", json=body)).status == 202
    assert (await gateway.send("DELETE", VERSION)).status == 409


async def test_deleting_a_model_requests_the_deletion_of_all_its_versions_only(gateway: Gateway, owner: Owner) -> None:
    answer = await gateway.send("DELETE", MODEL)
    assert (answer.status, answer.json()["metadata"]) == (202, {"totalItems": 2})
    assert sorted(await requests(owner)) == ["library/iris:v1", "library/iris:v2"]


async def test_a_serving_of_a_deleted_version_can_be_scaled_but_not_change_its_digest(
    gateway: Gateway, owner: Owner
) -> None:
    deleted_spec, path = serving_spec("library/gone:v1", of=5), "/namespaces/default/servings/iris"
    await owner.serving(serving_document(spec=deleted_spec, applied=deleted_spec))
    await eventually(lambda: gateway.json(path))
    scaled = serving_spec("library/gone:v1", of=5, replicas=3)
    answer = await gateway.send("PUT", path, json={"spec": scaled.model_dump(mode="json")})
    assert answer.status == 202, answer.text
    other = serving_spec("library/gone:v1", of=6)
    answer = await gateway.send("PUT", path, json={"spec": other.model_dump(mode="json")})
    assert (answer.status, answer.json()["code"]) == (422, "model_not_found")


@pytest.mark.parametrize("path", [f"{MODEL}/versions/v9", "/projects/library/models/none"])
async def test_a_missing_version_cannot_be_deleted(gateway: Gateway, path: str) -> None:
    assert (await gateway.send("DELETE", path)).status == 404
