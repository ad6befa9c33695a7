"""The directory layout for each model server."""

import json
from pathlib import Path

import pytest

from kleverproto.signatures import Signature, Tensor
from modelfiles.runtimes import RUNTIMES, DirectoryLayout, usual_layout
from ormb.errors import UnsupportedArtifactError
from ormb.initializer import triton
from ormb.initializer.laying_out import described, lay_out
from ormb.initializer.targets import ServedModel, plan
from support import model_files
from support.small_models import adder

BATCHED = Signature(
    inputs=(Tensor(name="x", dtype="float32", shape=("N", 4)),),
    outputs=(Tensor(name="label", dtype="str", shape=(-1, 1)),),
)
FIXED = Signature(
    inputs=(Tensor(name="x", dtype="float32", shape=(2, -1)), Tensor(name="k", dtype="int64", shape=())),
    outputs=(Tensor(name='a "b"', dtype="bool", shape=(2,)),),
)
UNKNOWN = Signature(inputs=(Tensor(name="x", dtype=None, shape=(1,)),))


def model(
    format_name: str = "ONNX", *files: str, signature: Signature | None = BATCHED, version: str = "v1"
) -> ServedModel:
    present = files or ("classifier.onnx",)
    return ServedModel("iris", version, format_name, present[0], present, signature)


def test_triton_gets_the_file_under_its_expected_name() -> None:
    planned = plan(DirectoryLayout.TRITON, model("ONNX", "classifier.onnx", "weights.bin"))
    assert planned.moves["model/classifier.onnx"] == "1/model.onnx"
    assert planned.moves["model/weights.bin"] == "1/weights.bin"
    assert set(planned.writes) == {"config.pbtxt"}


def test_triton_gets_an_empty_directory_beside_the_file(tmp_path: Path) -> None:
    """An ensemble requires an empty version directory."""
    exported = adder(tmp_path / "exported", 1)
    (exported / "ormbfile.yaml").write_text("format: ONNX\n")
    (exported / "model" / "pipeline" / "1").mkdir(parents=True)
    lay_out(exported, tmp_path / "out", DirectoryLayout.TRITON, described(exported, "adder", "v1"), "sha256:0")
    assert (tmp_path / "out" / "1" / "pipeline" / "1").is_dir()


def test_triton_gets_a_savedmodel_as_a_directory() -> None:
    planned = plan(DirectoryLayout.TRITON, model("SavedModel", "saved_model.pb", "variables/variables.index"))
    assert planned.moves["model"] == "1/model.savedmodel"


def test_requests_never_share_a_run_of_a_model_with_possibly_dependent_rows() -> None:
    text = triton.config("iris", RUNTIMES["triton"].formats["ONNX"], BATCHED)
    assert text == (
        'name: "iris"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 0\n'
        'input [\n  {\n    name: "x"\n    data_type: TYPE_FP32\n    dims: [ -1, 4 ]\n  }\n]\n'
        'output [\n  {\n    name: "label"\n    data_type: TYPE_STRING\n    dims: [ -1, 1 ]\n  }\n]\n'
    )


def test_a_model_of_fixed_size_keeps_all_dimensions_and_scalars_are_reshaped() -> None:
    text = triton.config("iris", RUNTIMES["triton"].formats["ONNX"], FIXED)
    assert "max_batch_size: 0" in text
    assert "dims: [ 2, -1 ]" in text
    assert "dims: [ 1 ]\n    reshape: { shape: [ ] }" in text
    assert r'name: "a \"b\""' in text
    assert "dynamic_batching" not in text


@pytest.mark.parametrize("signature", [None, UNKNOWN, Signature()])
def test_unknown_properties_are_left_to_triton(signature: Signature | None) -> None:
    assert (
        triton.config("iris", RUNTIMES["triton"].formats["ONNX"], signature)
        == 'name: "iris"\nplatform: "onnxruntime_onnx"\n'
    )


@pytest.mark.parametrize("dtype", sorted(triton.DATATYPES))
def test_every_datatype_of_a_signature_has_a_triton_datatype(dtype: str) -> None:
    signature = Signature(inputs=(Tensor(name="x", dtype=dtype, shape=(1,)),))
    assert f"data_type: {triton.DATATYPES[dtype]}" in triton.config("m", RUNTIMES["triton"].formats["ONNX"], signature)


@pytest.mark.parametrize(
    ("format_name", "file", "implementation", "uri"),
    [
        ("SKLearn", "model.joblib", "mlserver_sklearn.SKLearnModel", "./model/model.joblib"),
        ("XGBoost", "model.json", "mlserver_xgboost.XGBoostModel", "./model/model.json"),
        ("MLflow", "MLmodel", "mlserver_mlflow.MLflowRuntime", "./model"),
        ("MLflow", "artifacts/MLmodel", "mlserver_mlflow.MLflowRuntime", "./model/artifacts"),
    ],
)
def test_mlserver_gets_its_settings(format_name: str, file: str, implementation: str, uri: str) -> None:
    settings = json.loads(plan(DirectoryLayout.MLSERVER, model(format_name, file)).writes["model-settings.json"])
    assert settings == {"name": "iris", "implementation": implementation, "parameters": {"uri": uri, "version": "v1"}}


def test_openscoring_gets_the_document_in_the_version_directory() -> None:
    assert plan(DirectoryLayout.OPENSCORING, model("PMML", "audit.pmml")).moves["model/audit.pmml"] == "1/model.pmml"


@pytest.mark.parametrize(
    ("format_name", "layout"),
    [("ONNX", "triton"), ("SKLearn", "mlserver"), ("MLflow", "mlserver"), ("PMML", "openscoring"), ("Others", "plain")],
)
def test_a_format_has_a_default_server(format_name: str, layout: str) -> None:
    assert usual_layout(format_name) == layout


@pytest.mark.parametrize("target", [DirectoryLayout.TRITON, DirectoryLayout.MLSERVER, DirectoryLayout.OPENSCORING])
def test_a_format_that_a_server_does_not_support_is_refused_with_the_supported_ones(target: DirectoryLayout) -> None:
    with pytest.raises(UnsupportedArtifactError, match="does not serve CaffeModel models: it serves"):
        plan(target, model("CaffeModel", "a.caffemodel"))


def exported_model(directory: Path, format_name: str, *names: str) -> Path:
    """Exported files with the same content."""
    _, content = model_files.of_each_format()[format_name]
    for name in names:
        model_files.write(directory, f"model/{name}", content)
    return model_files.write(directory, "ormbfile.yaml", f"format: {format_name}\n")


def test_two_candidates_for_the_model_are_reported_unless_it_is_laid_out_unchanged(tmp_path: Path) -> None:
    planned = described(exported_model(tmp_path, "ONNX", "a.onnx", "b.onnx"), "iris", "v1")
    with pytest.raises(UnsupportedArtifactError, match=r"found 2: a\.onnx, b\.onnx"):
        plan(DirectoryLayout.TRITON, planned)
    assert plan(DirectoryLayout.PLAIN, planned).moves["model"] == "model"


@pytest.mark.parametrize("name", ["scripted.jit", "MODEL.PT", "weights"])
def test_triton_gets_the_file_that_the_parser_reads_under_any_name(tmp_path: Path, name: str) -> None:
    exported = model_files.write(exported_model(tmp_path, "TorchScript", name), "model/notes.pt", "not a model")
    planned = plan(DirectoryLayout.TRITON, described(exported, "iris", "v1"))
    assert planned.moves[f"model/{name}"] == "1/model.pt"


def test_mlserver_gets_the_file_that_the_parser_reads_beside_others(tmp_path: Path) -> None:
    exported = exported_model(tmp_path, "XGBoost", "trees.json")
    model_files.write(exported, "model/metrics.json", "{}")
    settings = json.loads(
        plan(DirectoryLayout.MLSERVER, described(exported, "iris", "v1")).writes["model-settings.json"]
    )
    assert settings["parameters"]["uri"] == "./model/trees.json"
