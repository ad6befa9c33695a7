"""ModelJobs and Servings with kubectl, a real API server, NATS and the gateway; their owners are played."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kleverproto.jobs import JobPhase
from kleverproto.servings import ServingDeleteRequested, ServingPhase
from support.custom_definitions import PLATFORM_NAMES, install_platform
from support.custom_resource_users import (
    SECONDS,
    apply_serving,
    delete_job,
    model_job,
    requested,
    run_job,
    serving,
    until,
)
from support.gateway import Gateway, Owner, owner_at, running_gateway, version_document
from support.kubectl import Kubectl
from support.nats_server import NatsServer
from support.waiting import eventually

pytestmark = pytest.mark.api_server


@pytest.fixture
async def kubectl(kubeconfig: Path) -> Kubectl:
    kubectl = Kubectl(kubeconfig)
    await install_platform(kubectl)
    return kubectl


@pytest.fixture
async def owner(own_nats: NatsServer) -> AsyncIterator[Owner]:
    async with owner_at(own_nats.url) as owner:
        await owner.version(version_document())
        yield owner


@asynccontextmanager
async def gateway_with(kubectl: Kubectl, nats: NatsServer, home: Path, **options: Any) -> AsyncIterator[Gateway]:
    chosen: dict[str, Any] = {
        "custom_resources": True,
        "kubeconfig": kubectl.kubeconfig,
        "model_wait_seconds": 0.3,
    } | options
    async with running_gateway(nats.url, home, **chosen) as gateway:
        yield gateway


@pytest.fixture
async def gateway(kubectl: Kubectl, own_nats: NatsServer, owner: Owner, tmp_path: Path) -> AsyncIterator[Gateway]:
    assert owner.client.is_connected
    async with gateway_with(kubectl, own_nats, tmp_path) as gateway:
        yield gateway


async def number_of_requests(owner: Owner, stream: str = "KLEVER_SERVINGS") -> int:
    return (await owner.client.jetstream().stream_info(stream)).state.messages


def kstatus(manifest: dict[str, Any]) -> str:
    """The generic rules by which kstatus, and tools that use it, derive the status of a custom resource."""
    if "deletionTimestamp" in manifest["metadata"]:
        return "Terminating"
    status = manifest.get("status", {})
    if status.get("observedGeneration", manifest["metadata"]["generation"]) != manifest["metadata"]["generation"]:
        return "InProgress"
    conditions = {each["type"]: each["status"] for each in status.get("conditions", ())}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "InProgress" if conditions.get("Ready") in {"False", "Unknown"} else "Current"


async def test_serving_is_applied_becomes_ready_and_is_deleted(
    kubectl: Kubectl, gateway: Gateway, owner: Owner
) -> None:
    assert "created" in await kubectl.apply(serving())
    shown = await until(kubectl, "serving", "iris", "Synced", "Accepted")
    assert kstatus(shown) == "InProgress"
    assert (await gateway.json("/namespaces/default/servings/iris"))["status"]["phase"] == "Pending"
    await apply_serving(owner, phase=ServingPhase.READY, observed_generation=1, url="http://ingress/iris")
    await kubectl.run("wait", "--for=condition=Ready", "serving/iris", "--timeout=30s")
    assert kstatus(await kubectl.get("serving", "iris")) == "Current"
    table = await kubectl.run("get", "servings")
    assert table.splitlines()[0].split() == ["NAME", "READY", "PHASE", "REASON", "URL", "AGE"]
    assert table.splitlines()[1].split()[:5] == ["iris", "True", "Ready", "Ready", "http://ingress/iris"]
    await kubectl.run("delete", "serving", "iris", "--wait=false")
    shown = await until(kubectl, "serving", "iris", "Ready", "Deleting")
    assert (kstatus(shown), shown["status"]["phase"]) == ("Terminating", "Deleting")
    event = await requested(owner)
    assert isinstance(event.data, ServingDeleteRequested)
    await owner.delete_serving("iris")
    await kubectl.run("wait", "--for=delete", "serving/iris", "--timeout=30s")


async def test_events_of_a_serving_are_shown_by_kubectl(kubectl: Kubectl, gateway: Gateway, owner: Owner) -> None:
    assert await gateway.is_ready()
    await kubectl.apply(serving(variants=[{"name": "v1", "model": "library/none:v1"}]))
    shown = await until(kubectl, "serving", "iris", "Stalled", "ModelNotFound")
    assert kstatus(shown) == "Failed"
    words = "there is no model version library/none:v1: push it first with `ormb push`"
    assert shown["status"]["message"] == f"spec.variants.0.model: {words}"
    assert "finalizers" not in shown["metadata"]

    async def described() -> str | None:
        text = await kubectl.run("describe", "serving", "iris")
        return text if "Warning  ModelNotFound" in text else None

    text = await eventually(described, within=SECONDS, every=0.2)
    assert text is not None
    assert words in text.partition("Events:")[2]
    assert await number_of_requests(owner) == 0


async def test_job_with_a_long_name_is_accepted(kubectl: Kubectl, gateway: Gateway, owner: Owner) -> None:
    assert await gateway.is_ready()
    name = ".".join(["a" * 49] * 5)
    await kubectl.apply(model_job(name))
    await until(kubectl, "modeljob", name, "Synced", "Accepted")
    await run_job(owner, phase=JobPhase.SUCCEEDED)
    await until(kubectl, "modeljob", name, "Complete", "True")
    command = ("get", "events", f"--field-selector=involvedObject.name={name}", "-o", "jsonpath={.items[*].reason}")

    async def are_reported() -> bool:
        reasons = (await kubectl.run(*command)).split()
        return sorted(reasons) == ["Pending", "Succeeded"]  # listed by name, which ends with a digest

    await eventually(are_reported, within=SECONDS, every=0.2)


async def test_job_is_requested_once_and_its_failure_is_shown(kubectl: Kubectl, gateway: Gateway, owner: Owner) -> None:
    assert await gateway.is_ready()
    await kubectl.apply(model_job())
    await until(kubectl, "modeljob", "job", "Synced", "Accepted")
    await run_job(owner, phase=JobPhase.FAILED, problem={"code": "invalid_model", "message": "it is truncated"})
    shown = await until(kubectl, "modeljob", "job", "Failed", "True")
    assert (shown["status"]["phase"], shown["status"]["message"]) == ("Failed", "it is truncated")
    assert kstatus(shown) == "Failed"
    table = await kubectl.run("get", "mj")
    assert table.splitlines()[1].split()[:4] == ["job", "library/iris:v1", "Failed", "InvalidModel"]
    assert "it is truncated" in await kubectl.run("get", "mj", "-o", "wide")
    refusal = await kubectl.apply(model_job(scan={}), fails=True)
    assert "the spec of a ModelJob cannot be changed" in refusal
    assert await number_of_requests(owner, "KLEVER_JOBS") == 1


async def test_job_of_the_api_appears_once_and_is_deleted_from_either_side(
    kubectl: Kubectl, own_nats: NatsServer, owner: Owner, tmp_path: Path
) -> None:
    async with gateway_with(kubectl, own_nats, tmp_path, mirror_jobs=True) as gateway:
        scan = {"ref": "library/iris:v1", "kind": "scan"}
        assert (await gateway.send("POST", "/namespaces/nowhere/modeljobs", json=scan)).status == 202
        await run_job(owner, phase=JobPhase.RUNNING)
        answer = await gateway.send("POST", "/namespaces/default/modeljobs", json={"ref": "library/iris:v1"})
        job = answer.json()["id"]
        document = await run_job(owner, phase=JobPhase.RUNNING)
        shown = await until(kubectl, "modeljob", job, "Ready", "Running")
        assert shown["spec"] == {"model": "library/iris:v1", "extraction": {}}
        assert shown["status"]["job"] == job
        await delete_job(owner, document)
        await kubectl.run("wait", "--for=delete", f"modeljob/{job}", "--timeout=30s")
        assert await number_of_requests(owner, "KLEVER_JOBS") == 2, "no loop between the two directions"
        await kubectl.apply(model_job())
        await until(kubectl, "modeljob", "job", "Synced", "Accepted")
        await run_job(owner, phase=JobPhase.SUCCEEDED)
        await until(kubectl, "modeljob", "job", "Complete", "True")
        names = (await kubectl.run("get", "modeljobs", "-o", "name")).split()
        assert names == ["modeljob.kleveross.io/job"]


async def test_deletion_while_nats_is_down_is_carried_out_later(
    kubectl: Kubectl, gateway: Gateway, owner: Owner, own_nats: NatsServer
) -> None:
    assert await gateway.is_ready()
    await kubectl.apply(serving())
    await until(kubectl, "serving", "iris", "Synced", "Accepted")
    await apply_serving(owner, phase=ServingPhase.READY, observed_generation=1)
    await until(kubectl, "serving", "iris", "Ready", "True")
    own_nats.stop()
    await kubectl.run("delete", "serving", "iris", "--wait=false")
    shown = await until(kubectl, "serving", "iris", "Ready", "Unavailable")
    assert "NATS" in shown["status"]["message"]
    own_nats.start()
    await until(kubectl, "serving", "iris", "Ready", "Deleting")

    async def is_deleted() -> bool:
        await owner.delete_serving("iris")
        return True

    await eventually(is_deleted, within=SECONDS)
    await kubectl.run("wait", "--for=delete", "serving/iris", "--timeout=60s")


async def test_another_replica_takes_over_and_repeats_no_request(
    kubectl: Kubectl, own_nats: NatsServer, owner: Owner, tmp_path: Path
) -> None:
    async with gateway_with(kubectl, own_nats, tmp_path / "first"):
        await kubectl.apply(serving())
        await until(kubectl, "serving", "iris", "Synced", "Accepted")
    async with gateway_with(kubectl, own_nats, tmp_path / "second"):
        await apply_serving(owner, phase=ServingPhase.READY, observed_generation=1)
        await until(kubectl, "serving", "iris", "Ready", "True")
    assert await number_of_requests(owner) == 1


async def test_definitions_can_be_deleted_and_installed_again(kubectl: Kubectl, gateway: Gateway, owner: Owner) -> None:
    assert await gateway.is_ready()
    await kubectl.apply(serving())
    await until(kubectl, "serving", "iris", "Synced", "Accepted")
    await apply_serving(owner, phase=ServingPhase.READY, observed_generation=1)
    await kubectl.run("delete", "crd", *PLATFORM_NAMES, "--wait=false")
    await until(kubectl, "serving", "iris", "Ready", "Deleting")
    await owner.delete_serving("iris")
    await kubectl.run("wait", "--for=delete", "crd/servings.klever.dev", "--timeout=60s")
    await install_platform(kubectl)
    await kubectl.apply(serving("abalone"))
    await until(kubectl, "serving", "abalone", "Synced", "Accepted")
    assert await gateway.is_ready()


async def test_finalizer_that_a_user_has_applied_as_well_is_removed(
    kubectl: Kubectl, gateway: Gateway, owner: Owner
) -> None:
    assert await gateway.is_ready()
    await kubectl.apply(model_job())
    present = await until(kubectl, "modeljob", "job", "Synced", "Accepted")
    present["metadata"].pop("managedFields", None)
    await kubectl.apply(present, "--server-side", "--field-manager=somebody", "--force-conflicts")
    document = await run_job(owner)
    await kubectl.run("delete", "modeljob", "job", "--wait=false")
    await until(kubectl, "modeljob", "job", "Ready", "Deleting")
    await delete_job(owner, document)
    await kubectl.run("wait", "--for=delete", "modeljob/job", "--timeout=30s")


async def test_large_spec_is_refused_in_words_and_blocks_no_other_resource(
    kubectl: Kubectl, gateway: Gateway, owner: Owner
) -> None:
    assert await gateway.is_ready()
    samples = {"x": ["1" * 100] * 9000}
    large = model_job("large", conversion={"to": "ONNX", "samples": samples})
    assert len(json.dumps(large)) > 900_000
    await kubectl.run("create", "-f", "-", stdin=json.dumps(large))
    shown = await until(kubectl, "modeljob", "large", "Failed", "True")
    assert "bytes of JSON, the maximum is 65536" in shown["status"]["message"]
    await kubectl.apply(model_job())
    await until(kubectl, "modeljob", "job", "Synced", "Accepted")
    assert await number_of_requests(owner, "KLEVER_JOBS") == 1


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (serving("a.b"), "the name of a Serving has lower-case letters, digits and hyphens, 63 at most"),
        (serving("a" * 64), "the name of a Serving has lower-case letters, digits and hyphens, 63 at most"),
        (serving(unknownField=1), 'unknown field "spec.unknownField"'),
        (serving(variants=[]), "spec.variants"),
        (serving(variants=[{"name": "a", "model": "m:1"}, {"name": "a", "model": "m:1"}]), "Duplicate value"),
        (
            serving(variants=[{"name": "a", "model": "m:1"}, {"name": "b", "model": "m:1"}]),
            "several variants require spec.traffic.weights",
        ),
        (serving(traffic={"weights": {"v1": 99}}), "the weights must sum to 100"),
        (
            serving(variants=[{"name": "a", "model": "m:1", "autoscaling": {"minReplicas": 3, "maxReplicas": 2}}]),
            "minReplicas is above maxReplicas",
        ),
        (serving(strategy={"steps": [5]}), "spec.strategy.type"),
        (model_job(extraction={}, scan={}), "set exactly one of extraction, scan and conversion"),
        (model_job(extraction={}, desiredTag="library/iris:v2"), "desiredTag requires a conversion"),
        (model_job(conversion={}), "set either `to` or `mmdnn`"),
        (model_job(extraction={}, initContainer=[]), 'unknown field "spec.initContainer"'),
    ],
)
async def test_mistakes_are_refused_when_they_are_applied(
    kubectl: Kubectl, manifest: dict[str, Any], words: str
) -> None:
    assert words in await kubectl.apply(manifest, "--dry-run=server", fails=True)


@pytest.mark.parametrize(
    "manifest",
    [
        serving(
            variants=[
                {
                    "name": "v1",
                    "model": "library/iris:v1",
                    "env": {"PLAIN": "x", "API_KEY": {"secret": "key"}},
                    "parameters": {"maxBatchRows": 8, "trust": "a", "fast": True},
                }
            ],
            traffic={"rules": [{"headers": {"x-user": {"exact": "me"}}, "variant": "v1"}]},
            strategy={"type": "canary", "steps": [5, 50], "analysis": {"maxErrorPercent": 0.5}},
        ),
        model_job(conversion={"to": "ONNX", "options": {"opset": "17"}, "samples": {"x": [[1, 2.5], ["a"]]}}),
        model_job(conversion={"mmdnn": {"from": "H5", "to": "ONNX"}}, desiredTag="library/iris:onnx"),
    ],
)
async def test_nothing_of_a_document_is_pruned(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    await kubectl.apply(manifest)
    present = await kubectl.get(manifest["kind"], manifest["metadata"]["name"])
    assert present["spec"] == manifest["spec"]


async def test_fields_are_explained(kubectl: Kubectl) -> None:
    """The API server publishes the schema some time after it serves the definition."""

    async def explained() -> bool:
        text = await kubectl.run("explain", "serving.spec.variants.replicas")
        return "Number of replicas; with autoscaling, the initial number." in text

    await eventually(explained, within=60)
