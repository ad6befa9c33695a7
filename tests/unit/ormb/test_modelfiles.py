"""ormbfile.yaml."""

import pytest

from ormb.errors import InvalidModelFileError
from ormb.modelfile import dump_modelfile, lenient_modelfile, load_modelfile, to_metadata

WHOLE = """
author: Ada
description: irises
format: ONNX
framework: scikit-learn
tags: [flowers]
labels: {team: a}
metrics:
  training:
    - {name: accuracy, value: 0.97}
hyperParameters:
  - {name: C, value: 1}
signature:
  inputs: [{name: x, dType: float32, size: [-1, 4]}]
  outputs: [{name: label, dType: int64, size: [-1]}]
  layers: {Gemm: 1}
training: {git: {repository: "git@example.com:a/b", revision: abc}}
"""


def test_metadata_of_the_author_survive_a_round_trip() -> None:
    modelfile = load_modelfile(WHOLE)
    assert load_modelfile(dump_modelfile(modelfile)) == modelfile


def test_the_catalogue_gets_its_part_of_the_metadata() -> None:
    metadata = to_metadata(load_modelfile(WHOLE))
    assert (metadata.author, metadata.format, metadata.labels) == ("Ada", "ONNX", {"team": "a"})
    assert metadata.metrics == {"training": {"accuracy": "0.97"}}
    assert metadata.hyper_parameters == {"C": "1"}
    assert metadata.declared_signature is not None
    assert metadata.declared_signature.inputs[0].shape == (-1, 4)
    assert metadata.declared_signature.operators == {"Gemm": 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("signature: {inputs: [{name: x, dtyp: f4}]}", "signature.inputs.0: unknown key dtyp, did you mean dType?"),
        ("fromat: ONNX", "unknown key fromat, did you mean format?"),
        ("zzz: 1", "unknown key zzz; the keys here are author"),
        ("signature: {inputs: [{size: [1]}]}", "signature.inputs.0.name: is missing"),
        ("- a list", "must hold keys such as `format: ONNX`, not a list"),
        ("a: [", "is not YAML"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_problems_are_named(text: str, says: str) -> None:
    with pytest.raises(InvalidModelFileError) as failure:
        load_modelfile(text)
    assert says in str(failure.value)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InvalidModelFileError, match=r"labels: must hold keys and values; unknown key fromat"):
        load_modelfile("fromat: ONNX\nlabels: 3")


def test_an_empty_file_declares_nothing() -> None:
    assert load_modelfile("").format is None


def test_keys_are_case_insensitive() -> None:
    modelfile = load_modelfile("Format: ONNX\nsignature: {inputs: [{name: x, dtype: float32}]}\nHYPERPARAMETERS: []")
    assert modelfile.format == "ONNX"
    assert modelfile.signature is not None
    assert modelfile.signature.inputs[0].d_type == "float32"


@pytest.mark.parametrize(
    "wrong",
    [
        {"AUTHOR": {"x": 1}},
        {"author": {"x": 1}, "Author": [1]},
        {"unknown": [[[[]]]], "metrics": 3},
        {"metrics": {"training": [{"name": "a"}]}},
        {f"key{number}": number for number in range(10_000)},
        {"": 1, "signature": {"inputs": [{"shape": 1}]}},
    ],
)
def test_invalid_metadata_of_another_tool_are_omitted_and_the_rest_kept(wrong: dict[str, object]) -> None:
    modelfile = lenient_modelfile({**wrong, "Format": "ONNX", "gpu_type": "H100"})
    assert dump_modelfile(modelfile) in {"format: ONNX\ngpuType: H100\n", "gpuType: H100\nformat: ONNX\n"}


@pytest.mark.parametrize("text", ["labels: " + "[" * 10_000, "a: &a [*a]", "x: " + "y" * 1_000_000])
def test_a_file_over_the_limits_is_refused(text: str) -> None:
    with pytest.raises(InvalidModelFileError, match="is not YAML that can be read: it"):
        load_modelfile(text)
