"""The README's tutorial, command by command, with a model that someone else might have trained."""

import json
import pickle
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from sklearn.datasets import load_iris

from support.commands import Shell
from support.onnx_models import iris_classifier, model_directory
from support.waiting import eventually
from support.whole_platform import processes_below

FLOWER = [[5.9, 3.0, 5.1, 1.8]]
REQUEST = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP32", "data": FLOWER}]}


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    """A platform that `klever up --detach` has started, and that `klever down` stops."""
    shell = Shell(tmp_path / "home", tmp_path)
    await shell.ok("klever up --detach --ports auto")
    yield shell
    await shell.ok("klever down")
    assert processes_below(shell.directory) == []


async def urls(shell: Shell) -> dict[str, str]:
    urls: dict[str, str] = json.loads(await shell.ok("klever status --json"))["urls"]
    return urls


async def registry(shell: Shell) -> str:
    return (await urls(shell))["registry"].removeprefix("http://")


async def save_and_push(shell: Shell, directory: str, ref: str) -> None:
    whole = f"{await registry(shell)}/{ref}"
    await shell.ok(f"ormb save ./{directory} {whole}")
    await shell.ok(f"ormb push {whole}")


async def shown(shell: Shell, ref: str) -> str:
    """Return the output of `klever models get` once the signature is known."""

    async def signature() -> str:
        text = await shell.ok(f"klever models get {ref}")
        return text if "inputs" in text else ""

    return await eventually(signature, within=20)


@pytest.mark.timeout(120)
async def test_a_custom_model_goes_from_the_folder_to_the_endpoint(shell: Shell, tmp_path: Path) -> None:
    model_directory(iris_classifier(), tmp_path / "mymodel")
    model_directory(iris_classifier(named_classes=True), tmp_path / "mymodel-v2")
    (tmp_path / "x.json").write_text(json.dumps(FLOWER))
    await save_and_push(shell, "mymodel", "library/mymodel:v1")
    about = await shown(shell, "library/mymodel:v1")
    assert "ONNX" in about
    assert "X" in about
    assert "output_probability" in about

    await shell.ok("klever deploy library/mymodel:v1 --name mymodel")
    answer = json.loads(await shell.ok("klever predict mymodel --input X=@x.json --json"))
    assert answer["outputs"][0]["data"] == [2]
    await curl_gets_the_same(await urls(shell))

    await save_and_push(shell, "mymodel-v2", "library/mymodel:v2")
    await shell.ok("klever deploy library/mymodel:v2 --name mymodel --traffic 20")
    serving = json.loads(await shell.ok("klever get mymodel --json"))
    assert {v["name"]: v["weight"] for v in serving["status"]["variants"]} == {"v1": 80, "v2": 20}

    assert "2 version(s)" in await shell.ok("klever registry rebuild")
    await shown(shell, "library/mymodel:v2")

    second = await shell.run("klever up")
    assert second.code != 0
    assert "is already running with" in second.err

    await shell.ok("klever undeploy mymodel")
    gone = await shell.run("klever predict mymodel --input X=@x.json")
    assert gone.code != 0
    assert "serving mymodel not found" in gone.err


async def curl_gets_the_same(where: dict[str, str]) -> None:
    """`curl -d @request.json` sends JSON under the content type of a form."""
    url = f"{where['ingress']}/seldon/default/mymodel/v2/models/mymodel/infer"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=json.dumps(REQUEST), headers=headers) as response,
    ):
        assert response.status == 200
        assert (await response.json())["outputs"][0]["data"] == [2]


@pytest.mark.timeout(120)
async def test_a_pickled_model_is_parsed_and_refused_by_a_runtime_without_it(shell: Shell, tmp_path: Path) -> None:
    features, species = load_iris(return_X_y=True)
    (tmp_path / "pickled" / "model").mkdir(parents=True)
    numbers = {"features": features.tolist(), "species": species.tolist()}
    (tmp_path / "pickled" / "model" / "model.pkl").write_bytes(pickle.dumps(numbers))
    (tmp_path / "pickled" / "ormbfile.yaml").write_text("format: Pickle\n")
    await save_and_push(shell, "pickled", "library/pickled:v1")
    refused = await shell.run("klever deploy library/pickled:v1 --name pickled")
    assert refused.code != 0
    assert (
        "library/pickled:v1 is a Pickle, which no runtime serves: set `custom.command` to use your own server"
        in refused.err
    )


@pytest.mark.timeout(120)
async def test_a_failed_job_is_listed_retried_and_deleted(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "broken" / "model").mkdir(parents=True)
    (tmp_path / "broken" / "model" / "model.onnx").write_bytes(b"\x08\x07 no more")
    (tmp_path / "broken" / "ormbfile.yaml").write_text("format: ONNX\n")
    await save_and_push(shell, "broken", "library/broken:v1")
    find = "klever jobs list --kind extract --phase Failed --model library/broken:v1 --json"

    async def failed() -> str:
        listed = json.loads(await shell.ok(find))
        return str(listed[0]["id"]) if listed else ""

    job = await eventually(failed, within=20)
    assert "dev.klever.job.failed.v1" in await shell.ok(f"klever jobs events {job}")
    assert await shell.ok(f"klever jobs logs {job}") == ""
    too_late = await shell.run(f"klever jobs cancel {job}")
    assert "has finished as Failed" in too_late.err
    await shell.ok(f"klever jobs retry {job}")
    assert await eventually(failed, within=20) == job
    await shell.ok(f"klever jobs delete {job}")

    async def is_gone() -> bool:
        return (await shell.run(f"klever jobs get {job}")).code != 0

    assert await eventually(is_gone, within=20)


@pytest.mark.timeout(120)
async def test_models_and_servings_are_available_after_a_restart(shell: Shell, tmp_path: Path) -> None:
    model_directory(iris_classifier(), tmp_path / "mymodel")
    (tmp_path / "x.json").write_text(json.dumps(FLOWER))
    await save_and_push(shell, "mymodel", "library/mymodel:v1")
    await shell.ok("klever deploy library/mymodel:v1 --name mymodel")
    await shell.ok("klever down")
    await shell.ok("klever up --detach --ports auto")
    await shown(shell, "library/mymodel:v1")

    async def answers() -> bool:
        return (await shell.run("klever predict mymodel --input X=@x.json")).code == 0

    assert await eventually(answers, within=30)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("klever models get library/nothing:v1", "library/nothing:v1"),
        ("klever deploy library/nothing:v1 --name nothing", "library/nothing:v1"),
        ("ormb save ./nowhere localhost:5000/library/m:v1", "nowhere"),
        ("ormb push localhost:5000/library/never-saved:v1", "never-saved"),
    ],
)
async def test_a_mistake_is_answered_with_a_sentence_and_no_traceback(tmp_path: Path, line: str, says: str) -> None:
    shell = Shell(tmp_path / "home", tmp_path)
    done = await shell.run(line)
    assert done.code != 0
    assert "Traceback" not in done.err
    assert done.err.strip()
    assert says in done.err or "klever up" in done.err
