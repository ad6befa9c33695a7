"""Each format against the answers of its framework when the model was created."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelformats import InvalidModelError, extract_signature
from modelformats.model_files import model_files
from support.framework_answers import CASES, assert_answers
from support.tensor_names import assert_same_tensors

SERVED_IN = {
    **dict.fromkeys(("SKLearn", "XGBoost", "LightGBM", "CatBoost"), "sklearn"),
    **dict.fromkeys(("TorchScript", "ExportedProgram"), "torch"),
    **dict.fromkeys(("SavedModel", "GraphDef", "TFLite", "OpenVINO"), "openvino"),
    "PMML": "pmml",
}
PARAMETERS = [
    pytest.param(toolchain, maker, name, id=name)
    for maker, (toolchain, names) in CASES.items()
    for name in names.split()
]

Post = Callable[[str, Any], tuple[int, Any]]


@contextmanager
def server(python: Path, package: Path, directory: Path, model_format: str) -> Iterator[str]:
    """The URL of a model that is ready; the process is killed at the end."""
    options = ["--model-dir", str(directory), "--format", model_format, "--name", "m", "--version", "v1", "--port", "0"]
    with subprocess.Popen(
        [python, "-m", "kleverserve", *options],
        env={**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                facts = json.loads(line)
                if facts["event"] == "ready":
                    yield f"http://127.0.0.1:{facts['port']}/v2/models/m"
                    return
            raise AssertionError(f"the server ended: {process.communicate()}")
        finally:
            process.kill()


def ask(url: str, document: Any = None) -> tuple[int, Any]:
    """Return status and JSON of an answer."""
    data = None if document is None else json.dumps(document).encode()
    try:
        with urllib.request.urlopen(url, data=data, timeout=60) as response:  # noqa: S310  # loopback
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def some_rows(inputs: list[dict[str, Any]], rows: slice) -> list[dict[str, Any]]:
    """The same inputs with only these rows."""
    chosen = []
    for entry in inputs:
        data = entry["data"][rows]
        chosen.append({**entry, "shape": [len(data), *entry["shape"][1:]], "data": data})
    return chosen


@pytest.mark.parametrize(("toolchain", "maker", "name"), PARAMETERS)
def test_a_model_answers_as_its_framework(
    toolchain: str,
    maker: str,
    name: str,
    models: Callable[[str, str], Path],
    python: Callable[[str], Path],
    package: Path,
) -> None:
    directory = models(toolchain, maker) / name
    case = json.loads((directory / "case.json").read_text())
    inputs, expected = case["inputs"], case["outputs"]
    count = len(inputs[0]["data"])
    with server(python(SERVED_IN[case["format"]]), package, directory, case["format"]) as url:
        assert ask(f"{url}/ready") == (200, {"name": "m", "ready": True})

        metadata = ask(url)[1]
        declared = {entry["name"]: entry for entry in metadata["inputs"]}
        assert {entry["name"]: entry["datatype"] for entry in inputs} == {
            each: entry["datatype"] for each, entry in declared.items()
        }
        if not name.endswith("-declared"):  # the author's declaration counts
            assert_same_tensors(extract_signature(case["format"], directory / "model"), metadata)
        known = {entry["name"]: entry for entry in metadata["outputs"]}
        for key, names in case["parameters"].items():
            assert json.loads(known["predict_proba"]["parameters"][key]) == names

        status, answer = ask(f"{url}/infer", {"inputs": inputs})
        assert status == 200, answer
        assert_answers(answer["outputs"], expected, slice(count))

        twisted = [{**inputs[0], "shape": [*inputs[0]["shape"], 1, 1, 1]}, *inputs[1:]]
        flat = np.array(twisted[0]["data"], dtype=object).ravel().tolist()
        twisted[0]["data"] = flat
        status, answer = ask(f"{url}/infer", {"inputs": twisted})
        assert status == 400, answer

        def one(index: int) -> None:
            rows = slice(index % count, index % count + 1)
            status, answer = ask(f"{url}/infer", {"inputs": some_rows(inputs, rows)})
            assert status == 200, answer
            assert_answers(answer["outputs"], expected, rows)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, range(40)))


@pytest.mark.parametrize("model_format", sorted(SERVED_IN))
def test_a_missing_file_exits_with_the_expected_name(
    model_format: str, python: Callable[[str], Path], package: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    options = ["--model-dir", str(tmp_path), "--format", model_format, "--name", "m", "--version", "v1"]
    ended = subprocess.run(
        [python(SERVED_IN[model_format]), "-m", "kleverserve", *options],
        env={**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 3, ended.stderr
    with pytest.raises(InvalidModelError) as refused:
        model_files(model_format, tmp_path / "model")
    assert f"cannot load the model: {refused.value}" in ended.stderr


@pytest.mark.parametrize("name", ["tflite-unique", "savedmodel-unique", "tflite-picky"])
def test_a_model_with_dependent_rows_answers_as_its_framework(
    name: str, models: Callable[[str, str], Path], python: Callable[[str], Path], package: Path
) -> None:
    directory = models("tf", "tensorflow_models") / name
    case = json.loads((directory / "case.json").read_text())
    (given,) = case["inputs"]
    with server(python("openvino"), package, directory, case["format"]) as url:
        for _ in range(2):
            status, answer = ask(f"{url}/infer", {"inputs": case["inputs"]})
            assert status == 200, answer
            assert {output["name"] for output in answer["outputs"]} == set(case["outputs"])
            assert_answers(answer["outputs"], case["outputs"], slice(None))
            few = {**given, "shape": [0, *given["shape"][1:]], "data": []}
            assert ask(f"{url}/infer", {"inputs": [few]})[0] in {
                200,
                400,
            }  # then again with the same interpreter, or a new one


def test_a_tflite_model_that_litert_cannot_run_is_refused_with_the_reason(
    python: Callable[[str], Path], package: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    options = ["--model-dir", str(tmp_path), "--format", "TFLite", "--name", "m", "--version", "v1"]
    ended = subprocess.run(
        [python("openvino"), "-m", "kleverserve", *options],
        env={**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 3, ended.stderr
    assert "LiteRT cannot load" in ended.stderr
