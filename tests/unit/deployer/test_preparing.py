"""The runtime and the environment of a model, and the conversion before it."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from klever_deployer.domain.versions import VersionSpec
from klever_deployer.errors import UNSANDBOXED
from klever_deployer.service.models import RESTORE_SECONDS
from kleverkit.errors import TransientError
from kleverproto.documents import Problem, Tombstone
from kleverproto.models import ExtractionPhase
from kleverproto.projects import OnInvalid, ProjectPolicy
from kleverproto.references import ModelRef
from kleverproto.scans import Finding, Scan
from kleverproto.servings import ServingDocument, ServingPhase
from kleverproto.signatures import Signature, Tensor
from kleverproto.variants import Custom, Gpu, Resources
from kleversandbox.support import Confinement, Support
from support.deployer import IRIS, World, digest, made_digest, model_document, spec, variant
from support.golden_events import NOW, REGISTRY

SCANNER = {"scanner": "klever", "scanner_version": "1"}
UNREADABLE = Finding(file="model.pkl", what="", severity="failed", reason="it ends too early")


@pytest.fixture
async def world() -> World:
    world = World()
    await world.push("v1")
    world.store.formats[made_digest(digest("v1"))] = "ONNX"
    return world


async def applied(world: World, model_format: str, **changes: Any) -> ServingDocument:
    """Return the serving after a request for a model of a format."""
    await world.set_format("v1", model_format)
    await world.request(spec("v1").model_copy(update={"variants": (variant("v1", **changes),)}))
    await world.rollout().converge(IRIS)
    return await world.document()


async def missing_model(world: World, **changes: Any) -> ServingDocument:
    """Return the serving after its first attempt, while the catalogue has lost its model."""
    world.catalogue.__init__()  # type: ignore[misc] # another bucket, and empty
    wanted = spec("v1").model_copy(update={"variants": (variant("v1").model_copy(update=changes),)})
    await world.request(wanted)
    with suppress(TransientError):
        await world.rollout().converge(IRIS)
    return await world.document()


async def test_a_model_missing_from_the_catalogue_is_waited_for(world: World) -> None:
    document = await missing_model(world)
    assert document.status.phase is ServingPhase.PENDING
    await world.push("v1")
    await world.rollout().converge(IRIS)
    assert (await world.document()).status.phase is ServingPhase.READY


async def test_a_model_that_stays_missing_from_the_catalogue_fails_the_serving(world: World) -> None:
    await missing_model(world)
    rollout = world.rollout()
    moments = iter([0.0, RESTORE_SECONDS])
    models = replace(rollout.models, clock=lambda: next(moments))
    with pytest.raises(TransientError):
        await replace(rollout, models=models).converge(IRIS)
    await replace(rollout, models=models).converge(IRIS)
    assert (await world.document()).status.phase is ServingPhase.FAILED


async def test_a_deleted_model_fails_the_serving_at_once(world: World) -> None:
    stored = await world.catalogue.get(ModelRef.parse("library/iris:v1").key)
    assert stored is not None
    await world.catalogue.bury(stored.key, Tombstone(deleted_at=NOW), stored.revision)
    await world.request(spec("v1").model_copy(update={"variants": (variant("v1"),)}))
    await world.rollout().converge(IRIS)
    problem = (await world.document()).status.problem
    assert problem is not None
    assert problem.code == "model_not_found"


async def test_an_unknown_model_fails_the_serving_at_once(world: World) -> None:
    document = await missing_model(world, digest=None)
    assert document.status.phase is ServingPhase.FAILED


def started(world: World) -> VersionSpec:
    (version,) = world.workloads.started
    return version


@pytest.mark.parametrize(
    ("model_format", "changes", "runtime", "toolchain"),
    [
        ("ONNX", {}, "kleverserve", None),
        ("ONNX", {"runtime": "triton"}, "triton", "triton"),
        ("PMML", {"runtime": "openscoring"}, "openscoring", "pmml"),
        ("LightGBM", {"runtime": "mlserver"}, "mlserver", "mlserver"),
        ("SKLearn", {}, "kleverserve", "sklearn"),
        ("SKLearn", {"runtime": "mlserver"}, "mlserver", "mlserver"),
        ("SavedModel", {}, "kleverserve", "openvino"),
        ("MLflow", {}, "mlserver", "mlserver"),
        ("GGUF", {"custom": Custom(command=("serve",))}, "custom", None),
    ],
)
async def test_a_format_is_served_by_its_runtime_in_its_environment(
    world: World, model_format: str, changes: dict[str, Any], runtime: str, toolchain: str | None
) -> None:
    document = await applied(world, model_format, **changes)
    assert document.status.phase is ServingPhase.READY, document.status.problem
    assert (started(world).runtime, world.toolchains.installed) == (runtime, {toolchain} if toolchain else set())
    announced = any("installing toolchain" in step for step in world.steps.taken)
    assert announced == (toolchain is not None)


async def test_an_existing_environment_is_not_reported(world: World) -> None:
    world.toolchains.installed.add("sklearn")
    await applied(world, "SKLearn")
    assert not any("installing" in step for step in world.steps.taken)


async def test_a_format_without_a_runtime_is_converted_once_and_the_result_is_served(world: World) -> None:
    document = await applied(world, "H5")
    (status,) = document.status.variants
    made = f"library/iris:v1-onnx@{made_digest(digest('v1'))}"
    assert (status.digest, status.made) == (digest("v1"), made)
    assert world.conversions.calls == ["library/iris:v1 H5 ONNX"]
    assert started(world).model.facts.format == "ONNX"
    assert any("converting library/iris:v1 from H5 to ONNX" in step for step in world.steps.taken)
    await world.rollout().converge(IRIS)
    assert len(world.conversions.calls) == 1


async def _ignore_step(_step: str) -> None:
    """A listener for the steps of a conversion."""


async def test_an_earlier_conversion_is_pulled_from_the_present_address_of_the_registry(world: World) -> None:
    """As after a restart on another port, or a restored backup."""
    earlier = model_document("library/iris:v1", digest("v1"), "127.0.0.1:9")
    await world.conversions.make(earlier, digest("v1"), "H5", "ONNX", _ignore_step)
    document = await applied(world, "H5")
    assert document.status.phase is ServingPhase.READY
    assert started(world).model.registry == REGISTRY
    assert len(world.conversions.calls) == 1


async def test_a_custom_server_gets_the_model_unchanged(world: World) -> None:
    await applied(world, "H5", custom=Custom(command=("serve",)))
    assert (world.conversions.calls, started(world).model.facts.format) == ([], "H5")


@pytest.mark.parametrize(
    ("model_format", "changes", "code", "words"),
    [
        ("PMML", {"runtime": "triton"}, "unsupported_format", "which triton does not serve: remove `runtime`"),
        ("TorchScript", {"runtime": "triton"}, "unsupported_format", "remove `runtime`, or set it to kleverserve"),
        ("Skops", {}, "unsupported_format", "`klever convert library/iris:v1 --to ONNX`, and deploy the result"),
        ("GGUF", {}, "unsupported_format", "set `custom.command`"),
        ("SKLearn", {"runtime": "triton", "parameters": {"a": 1}}, "unsupported_parameters", "remove a"),
        ("ONNX", {"resources": Resources(gpu=Gpu())}, "unsupported_here", "GPU"),
    ],
)
async def test_an_unservable_model_is_refused_with_advice(
    world: World, model_format: str, changes: dict[str, Any], code: str, words: str
) -> None:
    status = (await applied(world, model_format, **changes)).status
    assert status.phase is ServingPhase.FAILED
    assert status.problem is not None
    assert (status.problem.code, words in status.problem.message) == (code, True), status.problem.message
    assert world.workloads.started == []


async def test_a_failed_conversion_or_environment_fails_the_serving_with_its_reason(world: World) -> None:
    world.conversions.broken = True
    assert (await applied(world, "H5")).status.problem == problem("conversion_failed", "it cannot be converted")
    world.toolchains.broken.add("sklearn")
    failed = (await applied(world, "SKLearn")).status.problem
    assert failed == problem("toolchain_failed", "sklearn cannot be installed")


def problem(code: str, message: str) -> Problem:
    return Problem(code=code, message=message)


async def test_a_request_that_bypassed_the_gateway_is_checked_against_the_scan_too(world: World) -> None:
    await world.move_tag("v1", digest("v1"), scan=Scan(verdict="failed", findings=(UNREADABLE,), **SCANNER))
    document = await applied(world, "SKLearn")
    assert document.status.problem is not None
    assert document.status.problem.code == "unsafe_model"
    assert world.workloads.started == []
    await world.allow_unsafe()
    assert (await applied(world, "SKLearn")).status.phase is ServingPhase.READY


async def test_a_version_that_is_being_scanned_is_waited_for(world: World) -> None:
    await world.move_tag("v1", digest("v1"), scan=None)
    with pytest.raises(TransientError, match="library/iris:v1 is not scanned yet"):
        await applied(world, "ONNX")
    assert (await world.document()).status.phase is ServingPhase.PENDING


BROKEN: dict[str, Any] = {
    "extraction": ExtractionPhase.FAILED,
    "problem": Problem(code="invalid_model", message="weights.bin is missing: push it, too"),
}


async def test_an_unparsed_version_is_served_only_if_the_project_allows_it(world: World) -> None:
    await world.move_tag("v1", digest("v1"), **BROKEN)
    failed = (await applied(world, "ONNX")).status
    assert (failed.phase, failed.problem and failed.problem.code) == (ServingPhase.FAILED, "invalid_model")
    assert failed.problem is not None
    assert "weights.bin is missing: push it, too. " in failed.problem.message
    assert world.workloads.started == []
    await world.set_policy(ProjectPolicy(invalid=OnInvalid.WARN))
    assert (await applied(world, "ONNX")).status.phase is ServingPhase.READY


async def test_a_version_that_is_being_parsed_is_waited_for(world: World) -> None:
    await world.move_tag("v1", digest("v1"), extraction=ExtractionPhase.PENDING)
    with pytest.raises(TransientError, match="library/iris:v1 is not parsed yet"):
        await applied(world, "ONNX")
    assert (await world.document()).status.phase is ServingPhase.PENDING


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        (Signature(details={"signature": None}), "without a signature that can be called: save it with"),
        (Signature(inputs=(Tensor(name="x", dtype="bfloat16"),)), "its input 'x' is of type bfloat16, which"),
    ],
)
async def test_an_unservable_format_fails_before_an_environment_is_installed(
    world: World, signature: Signature, words: str
) -> None:
    await world.move_tag("v1", digest("v1"), signature=signature)
    problem = (await applied(world, "SavedModel")).status.problem
    assert problem is not None
    assert (problem.code, words in problem.message) == ("unservable_model", True), problem.message
    assert (world.workloads.started, world.toolchains.installed) == ([], set())
    own = await applied(world, "SavedModel", custom=Custom(command=("serve",)))
    assert own.status.phase is ServingPhase.READY


async def test_trusted_classes_of_the_project_are_served_and_passed_to_its_server(world: World) -> None:
    finding = Finding(file="model.pkl", what="my.models.Doubling", severity="untrusted", reason="why")
    unknown = Scan(verdict="untrusted", findings=(finding,), untrusted=("my.models:Doubling",), **SCANNER)
    await world.move_tag("v1", digest("v1"), scan=unknown)
    document = await applied(world, "SKLearn")
    assert document.status.problem is not None
    assert "--trust my.models:Doubling" in document.status.problem.message
    assert world.workloads.started == []
    await world.set_policy(ProjectPolicy(trust=("my.models:Doubling",)))
    assert (await applied(world, "SKLearn")).status.phase is ServingPhase.READY
    assert started(world).trust == ("my.models:Doubling",)


WITHOUT_SANDBOX = Confinement(Support(missing=("Landlock is not enabled",)))


@pytest.mark.parametrize(
    ("model_format", "changes", "refused"),
    [
        ("SKLearn", {}, True),
        ("TorchScript", {}, True),
        ("ONNX", {"custom": Custom(command=("serve",))}, True),
        ("ONNX", {}, False),
        ("TFLite", {}, False),
    ],
)
async def test_a_model_that_may_run_code_is_served_only_in_a_complete_sandbox(
    world: World, model_format: str, changes: dict[str, Any], *, refused: bool
) -> None:
    world.confinement = WITHOUT_SANDBOX
    world.restart()
    document = await applied(world, model_format, **changes)
    assert (document.status.problem is not None) is refused
    if document.status.problem is not None:
        assert document.status.problem.code == UNSANDBOXED
        assert "library/iris:v1" in document.status.problem.message
        assert "klever up --allow-unsandboxed" in document.status.problem.message


async def test_the_operator_may_allow_an_incomplete_sandbox(world: World) -> None:
    world.confinement = WITHOUT_SANDBOX._replace(allow_unsandboxed=True)
    world.restart()
    assert (await applied(world, "SKLearn")).status.phase is ServingPhase.READY


async def test_an_unservable_format_is_refused_by_the_catalogue_alone(world: World) -> None:
    world.store.unreachable.add(digest("v1"))
    problem = (await applied(world, "GGUF")).status.problem
    assert (problem and problem.code, world.store.here) == ("unsupported_format", set())


async def test_a_model_that_is_converted_is_not_pulled_itself(world: World) -> None:
    await applied(world, "H5")
    assert world.store.here == {made_digest(digest("v1"))}


async def test_the_format_of_an_untagged_manifest_is_read_from_the_registry(world: World) -> None:
    await world.move_tag("v1", digest("v2"))
    world.store.formats[digest("v1")] = "SKLearn"
    await world.allow_unsafe()
    await world.request(spec("v1").replace(variants=(variant("v1"),)))
    await world.rollout().converge(IRIS)
    assert (await world.document()).status.phase is ServingPhase.READY
    assert world.store.described[0].startswith(f"library/iris:v1@{digest('v1')} in ")
    assert world.toolchains.installed == {"sklearn"}


@pytest.mark.parametrize("model_format", ["ONNX", "H5"])
async def test_a_serving_survives_a_new_deployer_while_the_catalogue_has_lost_its_model(
    world: World, model_format: str
) -> None:
    document = await applied(world, model_format)
    world.catalogue.__init__()  # type: ignore[misc] # another bucket, and empty
    world.conversions.made.clear()
    for version in world.workloads.states():
        await world.workloads.remove(version.key)
    world.restart()
    await world.rollout().converge(IRIS)
    again = await world.document()
    assert (again.status.phase, again.status.problem) == (ServingPhase.READY, None)
    assert world.running() == ["v1"]
    assert [each.made for each in again.status.variants] == [each.made for each in document.status.variants]
