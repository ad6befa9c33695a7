"""Policies of projects on real NATS, and their effect on servings."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kleverproto.documents import Problem
from kleverproto.models import ExtractionPhase, ModelDocument
from kleverproto.projects import OnInvalid, OnUnsafe, ProjectPolicy, ProjectPolicyRequested
from kleverproto.scans import Finding, Scan
from kleverproto.signatures import Signature
from kleverproto.streams import MODELS
from support.gateway import Gateway, Owner, owner_at, running_gateway, version_document
from support.waiting import eventually

POLICY = "/projects/library/policy"
SERVINGS = "/namespaces/default/servings"
SERVING: dict[str, Any] = {
    "name": "iris",
    "spec": {"variants": [{"name": "v1", "model": "library/iris:v1"}], "traffic": {"weights": {"v1": 100}}},
}
FOUND = Finding(file="model.pkl", what="os.system", severity="dangerous", reason="it runs commands")
SCAN = Scan(verdict="dangerous", findings=(FOUND,), scanner="klever", scanner_version="0.1.0")


@pytest.fixture
async def owner(nats_url: str) -> AsyncIterator[Owner]:
    async with owner_at(nats_url) as owner:
        yield owner


@pytest.fixture
async def gateway(nats_url: str, owner: Owner, tmp_path: Path) -> AsyncIterator[Gateway]:
    assert owner.client.is_connected
    async with running_gateway(nats_url, tmp_path, model_wait_seconds=0.3, allow_commands=True) as gateway:
        yield gateway


def scanned(scan: Scan | None) -> ModelDocument:
    document = version_document()
    return document.model_copy(update={"status": document.status.model_copy(update={"scan": scan})})


async def deployed(gateway: Gateway) -> Any:
    answer = await gateway.send("POST", SERVINGS, json=SERVING)
    return answer.status, answer.json().get("code")


async def test_a_project_without_a_policy_blocks_dangerous_models(gateway: Gateway) -> None:
    nothing: dict[str, Any] = {"convert": [], "quantize": None, "scan": "block", "trust": [], "invalid": "block"}
    assert await gateway.json(POLICY) == nothing


async def test_a_policy_is_read_at_once_and_requested_by_an_event(gateway: Gateway, owner: Owner) -> None:
    trust = ["my.module:MyTransformer"]
    body = {"convert": ["ONNX"], "quantize": "int8", "scan": "warn", "trust": trust, "invalid": "warn"}
    answer = await gateway.send("PUT", POLICY, json=body)
    assert answer.status == 202, answer.text
    assert await gateway.json(POLICY) == body
    event = await owner.last_event(MODELS.name)
    policy = ProjectPolicy.model_validate(body)
    assert event.data == ProjectPolicyRequested(project="library", policy=policy)


@pytest.mark.parametrize(
    "body",
    [{"scan": "never"}, {"invalid": "never"}, {"convert": "ONNX"}, {"quantise": "int8"}, {"trust": ["my.module"]}],
)
async def test_an_invalid_policy_is_refused_by_field(gateway: Gateway, body: dict[str, Any]) -> None:
    answer = await gateway.send("PUT", POLICY, json=body)
    assert answer.status == 422
    assert [error["field"].partition(".")[0] for error in answer.json()["errors"]] == list(body)


async def test_formats_of_a_policy_are_case_insensitive_and_unique(gateway: Gateway) -> None:
    answer = await gateway.send("PUT", POLICY, json={"convert": ["onnx", "ONNX", "openvino"]})
    assert answer.status == 202, answer.text
    assert (await gateway.json(POLICY))["convert"] == ["ONNX", "OpenVINO"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("Onix", "unknown format Onix, did you mean ONNX?"), ("GGUF", "nothing can be converted to GGUF: ")],
)
async def test_a_policy_with_an_unsupported_target_format_is_refused(
    gateway: Gateway, name: str, complaint: str
) -> None:
    answer = await gateway.send("PUT", POLICY, json={"convert": [name]})
    assert (answer.status, answer.json()["errors"][0]["field"]) == (422, "convert")
    assert answer.json()["errors"][0]["message"].startswith(complaint)


async def test_a_dangerous_model_is_served_only_if_the_project_allows_it(gateway: Gateway, owner: Owner) -> None:
    await owner.version(scanned(SCAN))
    await eventually(lambda: gateway.json("/projects/library/models/iris/versions/v1"))
    assert await deployed(gateway) == (422, "unsafe_model")
    await gateway.send("PUT", POLICY, json={"scan": OnUnsafe.WARN})
    assert (await deployed(gateway))[0] == 202


async def test_a_model_that_is_not_scanned_in_time_is_not_served(gateway: Gateway, owner: Owner) -> None:
    await owner.version(scanned(None))
    assert await deployed(gateway) == (422, "model_not_scanned")


def known(**status: Any) -> ModelDocument:
    document = version_document()
    return document.model_copy(update={"status": document.status.model_copy(update=status)})


async def converted(gateway: Gateway) -> Any:
    job = {"ref": "library/iris:v1", "kind": "convert", "conversion": {"to": "OpenVINO"}}
    answer = await gateway.send("POST", "/namespaces/default/modeljobs", json=job)
    return answer.status, answer.json().get("code")


async def test_an_unparsed_version_is_loaded_only_if_the_project_allows_it(gateway: Gateway, owner: Owner) -> None:
    problem = Problem(code="invalid_model", message="weights.bin is missing: push it, too")
    await owner.version(known(extraction=ExtractionPhase.FAILED, problem=problem))
    await eventually(lambda: gateway.json("/projects/library/models/iris/versions/v1"))
    answer = await gateway.send("POST", SERVINGS, json=SERVING)
    (error,) = answer.json()["errors"]
    assert (answer.status, answer.json()["code"], error["field"]) == (422, "invalid_model", "spec.variants.0.model")
    assert "weights.bin is missing: push it, too. " in error["message"]
    assert error["message"].endswith("`klever projects policy set library --invalid warn`")
    assert await converted(gateway) == (422, "invalid_model")
    await gateway.send("PUT", POLICY, json={"invalid": OnInvalid.WARN})
    assert (await deployed(gateway))[0] == 202
    assert (await converted(gateway))[0] == 202


async def test_a_version_that_is_being_parsed_is_accepted(gateway: Gateway, owner: Owner) -> None:
    await owner.version(known(extraction=ExtractionPhase.PENDING))
    assert (await deployed(gateway))[0] == 202


async def test_a_model_without_a_runtime_is_refused_unless_it_has_a_custom_server(
    gateway: Gateway, owner: Owner
) -> None:
    await owner.version(known(signature=Signature(details={"signature": None})))
    await eventually(lambda: gateway.json("/projects/library/models/iris/versions/v1"))
    assert await deployed(gateway) == (422, "unservable_model")
    assert await converted(gateway) == (422, "unservable_model")
    variant = {**SERVING["spec"]["variants"][0], "custom": {"command": ["serve"]}}
    own = {**SERVING, "spec": {**SERVING["spec"], "variants": [variant]}}
    assert (await gateway.send("POST", SERVINGS, json=own)).status == 202


async def test_custom_commands_need_the_operators_permission(nats_url: str, owner: Owner, tmp_path: Path) -> None:
    await owner.version(known())
    first = SERVING["spec"]["variants"][0]
    async with running_gateway(nats_url, tmp_path, model_wait_seconds=0.3) as gateway:
        for custom in ({"command": ["serve"]}, {"command": ["serve"], "image": "example.org/server:1"}):
            variants = [{**first, "custom": custom}]
            body = {**SERVING, "spec": {**SERVING["spec"], "variants": variants}}
            for method, path in (("POST", SERVINGS), ("PUT", f"{SERVINGS}/{SERVING['name']}")):
                answer = await gateway.send(method, path, json=body if method == "POST" else {"spec": body["spec"]})
                (error,) = answer.json()["errors"]
                assert (answer.status, answer.json()["code"]) == (422, "commands_not_allowed")
                assert error["field"] == "spec.variants.0.custom.command"
                assert "`klever up --allow-commands`" in error["message"]
