"""Every format on the whole platform: pushed, deployed, and called under the URL of a cluster."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from klever.client import KleverClient
from kleverproto.references import ModelRef
from kleverproto.serving_changes import DeployVersion
from support.framework_answers import CASES, assert_answers
from support.whole_platform import Platform, running_platform

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains


@pytest.fixture
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    async with running_platform(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def cases(request: pytest.FixtureRequest, models: Callable[[str, str], Path]) -> list[Path]:
    """The models that a program creates."""
    toolchain, names = CASES[request.param]
    return [models(toolchain, request.param) / name for name in names.split()]


@pytest.fixture
def keras(models: Callable[[str, str], Path]) -> Path:
    """A model in HDF5."""
    return models("tf", "keras_models") / "h5"


async def deployed(platform: Platform, client: KleverClient, directory: Path, name: str) -> str:
    """The URL of a model directory, pushed and served."""
    await platform.push(directory, f"library/{name}:v1")
    wanted = await client.deploy_version(name, DeployVersion(model=f"library/{name}:v1"))
    serving = await client.wait_for_ready(name, wanted.generation, within=600)
    return serving.status.url or ""


@pytest.mark.parametrize("cases", list(CASES), indirect=True)
async def test_a_model_of_each_framework_answers_as_the_framework_under_the_clusters_url(
    platform: Platform, cases: list[Path]
) -> None:
    async with platform.client() as client:
        for directory in cases:
            name = directory.name
            case = json.loads((directory / "case.json").read_text())
            if not (directory / "ormbfile.yaml").exists():
                (directory / "ormbfile.yaml").write_text(f"format: {case['format']}\n")
            url = await deployed(platform, client, directory, name)
            assert url.endswith(f"/seldon/default/{name}/v2/models/{name}/infer")
            answer = await client.infer(url, {"inputs": case["inputs"]})
            assert_answers(answer["outputs"], case["outputs"], slice(None))
            await client.delete(name)


@pytest.fixture
def pmml(models: Callable[[str, str], Path]) -> Path:
    """A regression in PMML."""
    return models("pmml", "pmml_models") / "pmml-regression"


async def test_pmml_supports_openscoring_too_for_rows_batches_and_tables(platform: Platform, pmml: Path) -> None:
    case = json.loads((pmml / "case.json").read_text())
    fields = [each["name"] for each in case["inputs"]]
    rows = [dict(zip(fields, row, strict=True)) for row in zip(*(each["data"] for each in case["inputs"]), strict=True)]
    (expected,) = case["outputs"].values()
    async with platform.client() as client:
        url = await deployed(platform, client, pmml, "scored")
        base = url.partition("/v2/")[0] + "/openscoring/model/scored"
        one = await client.infer(base, {"id": "a", "arguments": rows[0]})
        (target,) = one["results"]
        assert (one["id"], one["results"][target]) == ("a", pytest.approx(expected[0], rel=1e-9))
        batch = await client.infer(f"{base}/batch", {"requests": [{"arguments": row} for row in rows]})
        assert [each["results"][target] for each in batch["responses"]] == pytest.approx(expected, rel=1e-9)
        table = "\n".join([",".join(fields), *(",".join(map(str, row.values())) for row in rows)])
        async with aiohttp.ClientSession() as session, session.post(f"{base}/csv", data=table) as answer:
            head, *lines = (await answer.text()).splitlines()
        assert head == target
        assert [float(line) for line in lines] == pytest.approx(expected, rel=1e-9)


async def test_a_format_without_a_runtime_is_converted_by_the_platform_and_answers(
    platform: Platform, keras: Path
) -> None:
    case = json.loads((keras / "case.json").read_text())
    async with platform.client() as client:
        url = await deployed(platform, client, keras, "keras")
        answer = await client.infer(url, {"inputs": case["inputs"]})
        (output,) = answer["outputs"]
        assert_answers([output | {"name": "out"}], case["outputs"], slice(None))
        serving = await client.serving("keras")
        assert serving is not None
        (variant,) = serving.status.variants
        made = await client.model(ModelRef.parse("library/keras:v1-onnx"))
        assert variant.made == f"library/keras:v1-onnx@{made.spec.digest}"
        assert (variant.runtime, variant.model) == ("kleverserve", "library/keras:v1")
