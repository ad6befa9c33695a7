"""Parsing the metadata of Spark models."""

import json
from pathlib import Path

import pytest

from modelformats import InvalidModelError, detect_format, extract_signature
from support import model_files
from support.model_files import write

OLD = '{"class":"org.apache.spark.mllib.classification.LogisticRegressionModel","numFeatures":692,"numClasses":2}'
STAGE = "metadata/part-00000"


def test_columns_are_those_of_the_parameters_or_else_of_the_defaults(tmp_path: Path) -> None:
    signature = extract_signature("MLlib", write(tmp_path, STAGE, model_files.SPARK))
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("measures", "float64", (-1, -1))]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [
        ("probability", "float64", (-1, -1)),
        ("prediction", "float64", (-1,)),
    ]
    assert (signature.framework, signature.framework_version) == ("Spark", "3.5.1")
    assert signature.operators == {"LogisticRegressionModel": 1}


def test_the_older_library_gives_the_number_of_features_and_classes(tmp_path: Path) -> None:
    signature = extract_signature("MLlib", write(tmp_path, STAGE, OLD))
    assert [(t.name, t.shape) for t in signature.inputs] == [("features", (-1, 692))]
    assert (signature.details["classes"], signature.details["features"]) == (2, 692)
    assert "older MLlib" in signature.unknown["outputs"]


def test_the_inputs_of_a_pipeline_are_those_that_its_stages_do_not_produce(tmp_path: Path) -> None:
    write(tmp_path, STAGE, '{"class":"org.apache.spark.ml.PipelineModel","paramMap":{"stageUids":["a","b"]}}')
    assembler = {"class": "org.x.VectorAssembler", "paramMap": {"inputCols": ["a", "b"], "outputCol": "measures"}}
    write(tmp_path, f"stages/0_a/{STAGE}", json.dumps(assembler))
    write(tmp_path, f"stages/1_b/{STAGE}", model_files.SPARK)
    assert detect_format(tmp_path) == "MLlib"
    signature = extract_signature("MLlib", tmp_path)
    assert [t.name for t in signature.inputs] == ["a", "b"]
    assert [t.name for t in signature.outputs] == ["probability", "prediction"]
    assert signature.operators == {"LogisticRegressionModel": 1, "PipelineModel": 1, "VectorAssembler": 1}


def test_circular_stages_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, STAGE, model_files.SPARK)
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "0").symlink_to(tmp_path)
    assert extract_signature("MLlib", tmp_path).operators == {"LogisticRegressionModel": 1}


@pytest.mark.parametrize("text", ["{}", "[1]", '{"class":1}', " " * 2_000_000, '{"class":' + "[" * 100_000])
def test_invalid_metadata_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidModelError, match="part-00000"):
        extract_signature("MLlib", write(tmp_path, STAGE, text))


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"there is no metadata/part-\*"):
        extract_signature("MLlib", tmp_path)
