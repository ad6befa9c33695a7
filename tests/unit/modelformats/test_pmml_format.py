"""Parsing PMML documents."""

from pathlib import Path

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, extract_signature
from support import model_files
from support.model_files import write

OUTPUT = '<OutputField name="probability(setosa)" feature="probability" value="setosa" optype="continuous"/>'


def extracted(text: str, directory: Path) -> Signature:
    return extract_signature("PMML", write(directory, "model.pmml", text))


def test_active_fields_are_inputs_with_their_types_and_kinds(tmp_path: Path) -> None:
    signature = extracted(model_files.PMML, tmp_path)
    assert [(t.name, t.dtype, t.shape, t.op_type) for t in signature.inputs] == [
        ("length", "float64", (-1,), "continuous"),
        ("count", "int64", (-1,), "ordinal"),
    ]


def test_output_fields_precede_targets(tmp_path: Path) -> None:
    signature = extracted(model_files.PMML, tmp_path)
    assert [(t.name, t.dtype, t.op_type) for t in signature.outputs] == [
        ("probability(setosa)", "float64", "continuous"),
        ("species", "str", "categorical"),
    ]


def test_a_target_that_an_output_shows_is_not_repeated(tmp_path: Path) -> None:
    signature = extracted(model_files.PMML.replace(OUTPUT, OUTPUT + '<OutputField name="shown"/>'), tmp_path)
    assert [t.name for t in signature.outputs] == ["probability(setosa)", "shown"]


def test_a_regression_of_integers_returns_fractions(tmp_path: Path) -> None:
    text = model_files.PMML.replace("classification", "regression").replace('dataType="string"', 'dataType="integer"')
    assert extracted(text.replace(OUTPUT, ""), tmp_path).outputs[0].dtype == "float64"


def test_a_document_without_outputs_is_reported_as_such(tmp_path: Path) -> None:
    text = model_files.PMML.replace(' usageType="target"', ' usageType="supplementary"').replace(OUTPUT, "")
    signature = extracted(text, tmp_path)
    assert signature.outputs == ()
    assert "neither outputs nor a target" in signature.unknown["outputs"]


def test_a_categorical_field_lists_its_valid_values(tmp_path: Path) -> None:
    assert extracted(model_files.PMML, tmp_path).outputs[1].values == ("setosa", "virginica")


def test_the_application_and_the_model_are_reported(tmp_path: Path) -> None:
    signature = extracted(model_files.PMML, tmp_path)
    assert (signature.framework, signature.framework_version) == ("JPMML-SkLearn", "1.6")
    assert signature.operators == {"RegressionModel": 1}
    assert signature.details == {"pmml_version": "4.4", "function": "classification"}


@pytest.mark.parametrize(
    ("field", "dtype"),
    [
        ('<OutputField name="o"/>', "str"),
        ('<OutputField name="o" feature="predictedValue" targetField="count"/>', "int64"),
        ('<OutputField name="o" feature="predictedValue" targetField="nobody"/>', None),
        ('<OutputField name="o" feature="probability"/>', "float64"),
        ('<OutputField name="o" feature="probability" dataType="float"/>', "float32"),
        ('<OutputField name="o" dataType="dateTime"/>', "str"),
        ('<OutputField name="o" dataType="boolean"/>', "bool"),
    ],
)
def test_an_output_has_its_declared_type_or_that_of_its_source(tmp_path: Path, field: str, dtype: str | None) -> None:
    signature = extracted(model_files.PMML.replace(OUTPUT, field), tmp_path)
    assert (signature.outputs[0].name, signature.outputs[0].dtype) == ("o", dtype)


@pytest.mark.parametrize("version", ["3-0", "4-1", "4-3"])
def test_older_versions_are_read(tmp_path: Path, version: str) -> None:
    signature = extracted(model_files.PMML.replace("PMML-4_4", f"PMML-{version.replace('-', '_')}"), tmp_path)
    assert len(signature.inputs) == 2


def test_models_inside_a_mining_model_are_counted_and_the_outer_one_is_described(tmp_path: Path) -> None:
    inner = '<Segment><TreeModel><MiningSchema><MiningField name="inner"/></MiningSchema></TreeModel></Segment>'
    text = model_files.PMML.replace("RegressionModel", "MiningModel")
    text = text.replace("</MiningModel>", f"<Segmentation>{inner * 3}</Segmentation></MiningModel>")
    signature = extracted(text, tmp_path)
    assert signature.operators == {"MiningModel": 1, "TreeModel": 3}
    assert [t.name for t in signature.inputs] == ["length", "count"]


def test_a_field_missing_from_the_dictionary_has_no_type(tmp_path: Path) -> None:
    signature = extracted(
        model_files.PMML.replace('<MiningField name="length"/>', '<MiningField name="derived"/>'), tmp_path
    )
    assert (signature.inputs[0].name, signature.inputs[0].dtype) == ("derived", None)


def test_a_document_in_another_encoding_is_read(tmp_path: Path) -> None:
    text = model_files.PMML.replace('version="1.0"?', 'version="1.0" encoding="UTF-16"?').replace("length", "länge")
    signature = extract_signature("PMML", write(tmp_path, "model.pmml", text.encode("utf-16")))
    assert signature.inputs[0].name == "länge"


def test_a_document_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="no element has a MiningSchema"):
        extracted('<PMML version="4.4"><Header/></PMML>', tmp_path)


def test_xml_of_something_else_is_refused_with_its_root(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="its root is html, not PMML"):
        extracted("<html/>", tmp_path)


def test_a_field_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"model\.pmml is not a readable PMML document"):
        extracted(model_files.PMML.replace('<MiningField name="length"/>', "<MiningField/>"), tmp_path)


@pytest.mark.parametrize("declared", ["date", "time", "dateTime", "dateDaysSince[1970]", "dateTimeSecondsSince[0]"])
def test_times_are_sent_as_text(tmp_path: Path, declared: str) -> None:
    signature = extracted(model_files.PMML.replace('dataType="double"', f'dataType="{declared}"'), tmp_path)
    assert [tensor.dtype for tensor in signature.inputs if tensor.name == "length"] == ["str"]
    assert "length" not in signature.unknown


def test_a_field_of_an_unknown_type_is_not_treated_as_text(tmp_path: Path) -> None:
    text = model_files.PMML.replace('dataType="double"', 'dataType="quaternion"')
    signature = extracted(text.replace(OUTPUT, '<OutputField name="o" dataType="octonion"/>'), tmp_path)
    assert [tensor.dtype for tensor in signature.inputs if tensor.name == "length"] == [None]
    reason = "its elements are of unknown type {}: newer than this version of Klever"
    assert (signature.unknown["length"], signature.unknown["o"]) == (
        reason.format("quaternion"),
        reason.format("octonion"),
    )
