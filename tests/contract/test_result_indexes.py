"""The contract of every index of conversion results (klever_jobrunner.ports.ResultIndex), on each registry."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from klever_jobrunner.adapters.ormb_models import OrmbModels
from klever_jobrunner.adapters.registry_results import RegistryResults
from klever_jobrunner.ports import StoredResult
from kleverproto.conversions import ConversionRecord, Verification
from kleverproto.jobs import JobKind, JobSpec
from kleverproto.references import ModelRef
from ormb.client import OrmbClient
from ormb.reference import Reference
from support.small_models import adder

SOURCE, RESULT = ModelRef.parse("library/adder:v1"), ModelRef.parse("library/adder:v1-onnx")
RECORD = ConversionRecord(
    source_format="H5", target_format="ONNX", steps=(), verification=Verification(verified=True), seconds=1.5
)


class Rig:
    """A registry with a model and its conversion result, and the clients of two jobrunners."""

    def __init__(self, host: str, directory: Path, first: OrmbClient, second: OrmbClient) -> None:
        self.host, self.directory = host, directory
        self.first, self.second = first, second

    async def push_source(self) -> JobSpec:
        """Push the source. Return the spec of its conversion."""
        info = await self.first.push_directory(
            adder(self.directory / "source", 1), Reference(self.host, SOURCE.repository, SOURCE.version)
        )
        return JobSpec(kind=JobKind.CONVERT, ref=SOURCE, digest=info.digest, registry=self.host)

    async def publish_result(self, ref: ModelRef = RESULT) -> StoredResult:
        """Publish the result of one jobrunner."""
        made = adder(self.directory / "made", 2)
        digest = await OrmbModels(self.first).publish(ref, self.host, made, RECORD)
        return StoredResult(ref, digest, RECORD)


@pytest.fixture
async def rig(oci_host: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with OrmbClient(tmp_path / "one") as first, OrmbClient(tmp_path / "two") as second:
        yield Rig(oci_host, tmp_path, first, second)


async def test_another_jobrunner_finds_and_republishes_the_results_of_the_first(rig: Rig) -> None:
    spec, result = await rig.push_source(), await rig.publish_result()
    assert await RegistryResults(rig.second).find(spec, "key") is None
    await RegistryResults(rig.first).record(spec, "key", result)
    assert await RegistryResults(rig.second).find(spec, "key") == result
    assert await RegistryResults(rig.second).find(spec, "another key") is None
    name = ModelRef.parse("other/name:v7")
    assert await OrmbModels(rig.second).republish(name, rig.host, result)
    info = await rig.second.inspect(Reference(rig.host, name.repository, name.version))
    assert info.digest == result.digest


async def test_the_newest_result_counts(rig: Rig) -> None:
    spec, result = await rig.push_source(), await rig.publish_result()
    index = RegistryResults(rig.first)
    for each in (result, result):  # a repetition has no effect
        await index.record(spec, "key", each)
    assert await index.find(spec, "key") == result


async def test_a_result_that_is_not_in_the_registry_is_not_republished(rig: Rig) -> None:
    await rig.push_source()
    missing = StoredResult(RESULT, f"sha256:{'0' * 64}", RECORD)
    assert not await OrmbModels(rig.first).republish(ModelRef.parse("library/other:v1"), rig.host, missing)


@pytest.mark.parametrize("stolen", ["secret/model", "library-of-others/model"])
async def test_a_record_that_names_a_model_of_another_project_is_ignored(rig: Rig, stolen: str) -> None:
    """Every user with push permission can attach one, and jobrunners read every project."""
    spec, result = await rig.push_source(), await rig.publish_result(ModelRef.parse(f"{stolen}:v1"))
    theirs = spec.model_copy(update={"ref": ModelRef.parse(f"{stolen}:v1"), "digest": result.digest})
    await RegistryResults(rig.first).record(theirs, "key", result)
    path = rig.directory / "result.json"
    [referrer] = await rig.first.referrers.discover(
        Reference(rig.host, stolen, digest=result.digest),
        result.digest,
        "application/vnd.klever.conversion.result.v1+json",
    )
    named = Reference(rig.host, stolen, digest=referrer.digest)
    await rig.first.referrers.fetch(named, referrer.artifact_type, path, limit=10_000)
    source = Reference(rig.host, SOURCE.repository, SOURCE.version)
    await rig.first.attach(source, [path], referrer.artifact_type, dict(referrer.annotations))
    assert await RegistryResults(rig.second).find(spec, "key") is None
    await RegistryResults(rig.first).record(spec, "other", replace(result, ref=ModelRef.parse(f"{stolen}:v1")))
    assert await RegistryResults(rig.second).find(spec, "other") is None


@pytest.mark.parametrize("content", ["{", '{"ref": {"project": "library/../secret"}}', "[]"])
async def test_an_unreadable_record_is_ignored(rig: Rig, content: str) -> None:
    spec = await rig.push_source()
    path = rig.directory / "result.json"
    path.write_text(content)
    source = Reference(rig.host, SOURCE.repository, SOURCE.version)
    annotations = {"dev.klever.conversion.key": "key"}
    await rig.first.attach(source, [path], "application/vnd.klever.conversion.result.v1+json", annotations)
    assert await RegistryResults(rig.second).find(spec, "key") is None
