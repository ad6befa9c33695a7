"""Policies and conversions on a whole platform, as users see them. Needs the toolchains sklearn and onnx."""

import os
import pickle
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from klever.errors import ApiError
from kleverproto.conversions import CONVERTED_FROM, RECORD_TYPE, Conversion
from kleverproto.jobs import JobKind, JobPhase
from kleverproto.projects import OnUnsafe, ProjectPolicy
from kleverproto.references import ModelRef
from ormb.reference import Reference
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains

REF, MADE = ModelRef.parse("library/iris:v1"), ModelRef.parse("library/iris:v1-onnx")


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    async with running_platform(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def iris(models: Callable[[str, str], Path], tmp_path: Path) -> Path:
    """A model directory with an estimator."""
    directory = tmp_path / "iris"
    (directory / "model").mkdir(parents=True)
    made = models("sklearn", "table_models") / "pipeline" / "model.joblib"
    (directory / "model" / "model.joblib").write_bytes(made.read_bytes())
    (directory / "ormbfile.yaml").write_text("format: SKLearn\nauthor: Jo\n")
    return directory


async def test_a_policy_converts_each_push_and_attaches_the_record_to_the_result(
    platform: Platform, iris: Path
) -> None:
    async with platform.client() as client:
        await client.set_policy("library", ProjectPolicy(convert=("ONNX",)))
        digest = await platform.push(iris, str(REF))
        result = await platform.parsed(str(MADE), within=300)
        assert result.spec.metadata.author == "Jo"
        assert result.spec.metadata.labels[CONVERTED_FROM] == f"library/iris@{digest}"
        assert result.status.signature is not None
        assert [tensor.name for tensor in result.status.signature.inputs] == ["input"]
        (job,) = await client.jobs(kind="convert")
        job = await client.wait_for_job(job.id)  # its result may be parsed before it has ended
        assert job.status.phase is JobPhase.SUCCEEDED
        assert job.status.result is not None
        assert job.status.result.converted is not None
        assert job.status.result.converted.record.verification.verified
        assert "running the ONNX model on samples" in [line async for line in client.job_log(job.id)]
    async with platform.ormb() as ormb:
        reference = Reference(platform.registry_host, "library/iris", "v1-onnx")
        (record,) = [each for each in await ormb.discover(reference) if each.artifact_type == RECORD_TYPE]
    assert record.size > 0


async def test_the_same_conversion_under_another_name_is_only_a_push(platform: Platform, iris: Path) -> None:
    await platform.push(iris, str(REF))
    async with platform.client() as client:
        await platform.parsed(str(REF))
        digests = []
        for name in ("library/iris:a", "library/iris:b"):
            wanted = Conversion(to="ONNX", ref=ModelRef.parse(name))
            asked = await client.create_job(REF, JobKind.CONVERT, conversion=wanted)
            done = await client.wait_for_job(asked.id)
            assert done.status.result is not None, done.status.problem
            assert done.status.result.converted is not None
            digests.append((done.status.result.converted.digest, done.status.result.converted.is_cached))
    assert digests == [(digests[0][0], False), (digests[0][0], True)]


async def test_a_dangerous_model_is_neither_loaded_nor_served_until_it_is_allowed(
    platform: Platform, tmp_path: Path
) -> None:
    mark, directory = tmp_path / "it-ran", tmp_path / "bomb"
    (directory / "model").mkdir(parents=True)
    (directory / "model" / "model.pkl").write_bytes(pickle.dumps(Bomb(mark)))
    (directory / "ormbfile.yaml").write_text("format: SKLearn\n")
    async with platform.client() as client:
        await client.set_policy("library", ProjectPolicy(convert=("ONNX",)))
        await platform.push(directory, str(REF))
        model = await platform.parsed(str(REF))
        assert model.status.scan is not None
        assert model.status.scan.verdict == "dangerous"
        with pytest.raises(ApiError, match="may run foreign code"):
            await client.create_job(REF, JobKind.CONVERT, conversion=Conversion(to="ONNX"))
        assert [job.spec.kind for job in await client.jobs()] == [JobKind.EXTRACT]
        await client.set_policy("library", ProjectPolicy(scan=OnUnsafe.WARN))

        async def allowed() -> bool:
            return (await client.policy("library")).scan is OnUnsafe.WARN

        await eventually(allowed)
        asked = await client.create_job(REF, JobKind.CONVERT, conversion=Conversion(to="ONNX"))
        done = await client.wait_for_job(asked.id)
        assert done.status.problem is not None
    assert done.status.phase is JobPhase.FAILED
