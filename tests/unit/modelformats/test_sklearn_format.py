"""Parsing scikit-learn estimators, without scikit-learn."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingRegressor, StackingClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, extract_signature
from modelformats.versions import LOADERS
from support import model_files
from support.model_files import write

ROWS = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]
OBJECT = np.dtype(object)


def extracted(model: Any, directory: Path, protocol: int = pickle.DEFAULT_PROTOCOL) -> Signature:
    return extract_signature("SKLearn", write(directory, "model.pkl", pickle.dumps(model, protocol)))


def having(**attributes: object) -> LogisticRegression:
    """An estimator with these fitted attributes."""
    model = LogisticRegression()
    vars(model).update(attributes)
    return model


@pytest.mark.parametrize("compress", [0, 3, ("zlib", 9), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)])
def test_steps_features_and_classes_are_reported_for_every_compression(tmp_path: Path, compress: object) -> None:
    signature = extract_signature("SKLearn", model_files.sklearn_joblib(tmp_path / "m", compress=compress))
    assert [(t.name, t.shape) for t in signature.inputs] == [("input", (-1, 4))]
    assert [(t.name, t.dtype) for t in signature.outputs] == [("predict", "int64"), ("predict_proba", "float64")]
    assert signature.operators == {"LogisticRegression": 1, "Pipeline": 1, "StandardScaler": 1}
    assert signature.details["classes"] == [0, 1, 2]


@pytest.mark.parametrize("protocol", range(2, 6))
def test_pickles_are_read_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    signature = extracted(model_files.classifier(), tmp_path, protocol)
    assert signature.details["classes"] == [0, 1, 2]
    assert signature.inputs[0].shape == (-1, 4)


def test_the_version_that_wrote_the_file_is_reported(tmp_path: Path) -> None:
    signature = extracted(model_files.classifier(), tmp_path)
    assert (signature.framework, signature.framework_version) == ("scikit-learn", sklearn.__version__)


def saved_by(version: str, directory: Path) -> Signature:
    """The signature from a pickle of another scikit-learn, whose version has the same length as that of this one."""
    content = pickle.dumps(model_files.classifier()).replace(sklearn.__version__.encode(), version.encode())
    return extract_signature("SKLearn", write(directory, "model.pkl", content))


def test_a_pickle_of_another_release_has_a_warning_with_both_versions_and_the_remedy(tmp_path: Path) -> None:
    signature = saved_by("1.3.2", tmp_path)
    assert signature.framework_version == "1.3.2"
    (warning,) = signature.warnings
    here = LOADERS["scikit-learn", "sklearn"]
    assert f"saved by scikit-learn 1.3.2 and is loaded by {here}" in warning
    assert f"save it again with {here}" in warning


def test_a_pickle_of_the_same_release_has_no_warning(tmp_path: Path) -> None:
    here = LOADERS["scikit-learn", "sklearn"]
    release = here.rpartition(".")[0]
    assert saved_by(here, tmp_path).warnings == saved_by(f"{release}.7", tmp_path).warnings == ()


def test_the_steps_of_a_pipeline_keep_their_order(tmp_path: Path) -> None:
    inner = make_pipeline(StandardScaler(), StandardScaler())
    steps = extracted(make_pipeline(inner, LogisticRegression()), tmp_path).details["steps"]
    assert [step.rpartition(".")[2] for step in steps] == [
        "Pipeline",
        "Pipeline",
        "StandardScaler",
        "StandardScaler",
        "LogisticRegression",
    ]


def test_the_predictions_of_a_regressor_are_reported_as_unknown(tmp_path: Path) -> None:
    signature = extracted(LinearRegression().fit(ROWS, [0.0, 1.0, 2.0]), tmp_path)
    assert signature.operators == {"LinearRegression": 1}
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("predict", None, (-1,))]
    assert "classifier" in signature.unknown["outputs"]


def test_a_tree_is_read_though_its_nodes_are_made_by_compiled_code(tmp_path: Path) -> None:
    signature = extracted(DecisionTreeClassifier().fit(ROWS, [True, False, True]), tmp_path)
    assert signature.operators == {"DecisionTreeClassifier": 1}
    assert (signature.outputs[0].dtype, signature.details["classes"]) == ("bool", [False, True])


def test_an_ensemble_is_read_though_its_estimators_are_an_array_of_objects(tmp_path: Path) -> None:
    ensemble = GradientBoostingRegressor(n_estimators=2).fit(ROWS, [0.0, 1.0, 2.0])
    joblib.dump(ensemble, tmp_path / "model.joblib")
    signature = extract_signature("SKLearn", tmp_path)
    assert [(t.name, t.shape) for t in signature.inputs] == [("input", (-1, 2))]
    assert signature.operators == {"GradientBoostingRegressor": 1}


def test_the_inputs_of_an_unfitted_estimator_are_unknown(tmp_path: Path) -> None:
    signature = extracted(LogisticRegression(), tmp_path)
    assert signature.inputs == ()
    assert "not fitted" in signature.unknown["inputs"]


@pytest.mark.parametrize(
    ("labels", "dtype", "classes"),
    [
        (np.array(["no", "yes"]), "str", ["no", "yes"]),
        (np.array(["no", 1, None], OBJECT), "str", ["no", 1, None]),
        (np.array([b"no", b"\xff"]), "str", ["no", "ÿ"]),
        (np.array([1, 2], np.uint8), "uint8", [1, 2]),
        (np.array([1, 2], ">i4"), "int32", [1, 2]),
        (np.array([0.5, np.nan, np.inf]), "float64", [0.5, "nan", "inf"]),
        (np.array(["2020-01-31"], "M8[D]"), None, None),
        (np.array([1j]), None, None),
        (np.array(["\ud800"], OBJECT), "str", ["\\ud800"]),
    ],
)
def test_labels_are_reported_as_json_values(
    tmp_path: Path, labels: Any, dtype: str | None, classes: list[Any] | None
) -> None:
    signature = extracted(having(classes_=labels), tmp_path)
    assert (signature.outputs[0].dtype, signature.details["classes"]) == (dtype, classes)
    assert Signature.model_validate_json(signature.model_dump_json()) == signature


def test_very_many_labels_are_omitted(tmp_path: Path) -> None:
    signature = extracted(having(classes_=np.arange(100_000)), tmp_path)
    assert (signature.outputs[0].dtype, signature.details["classes"]) == ("int64", None)


@pytest.mark.parametrize("features", [4, np.int64(4), np.int32(4)])
def test_the_number_of_features_may_be_any_integer(tmp_path: Path, features: object) -> None:
    assert extracted(having(n_features_in_=features), tmp_path).inputs[0].shape == (-1, 4)


@pytest.mark.parametrize("features", [-7, 0, "many", 4.5, pytest.param(1 << 100_000, id="huge"), [4], {}])
def test_an_invalid_number_of_features_is_unknown(tmp_path: Path, features: object) -> None:
    assert extracted(having(n_features_in_=features), tmp_path).inputs == ()


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(make_union(PCA(1), StandardScaler()), LogisticRegression()),
        StackingClassifier([("a", LogisticRegression())], cv=2),
        VotingClassifier([("a", make_pipeline(StandardScaler(), LogisticRegression()))]),
    ],
    ids=["union", "stack", "vote"],
)
def test_a_composite_has_the_features_of_its_first_part(model: Any, tmp_path: Path) -> None:
    signature = extracted(model.fit([*ROWS, *ROWS], [0, 1, 1, 0, 1, 1]), tmp_path)
    assert [tensor.shape for tensor in signature.inputs] == [(-1, 2)]


def test_models_without_the_attribute_have_as_many_features_as_coefficients(tmp_path: Path) -> None:
    assert extracted(having(coef_=np.zeros((3, 5))), tmp_path).inputs[0].shape == (-1, 5)


def test_an_estimator_shared_by_many_steps_is_reported_once(tmp_path: Path) -> None:
    model: Any = LogisticRegression()
    for _ in range(40):
        model = Pipeline([("left", model), ("right", model)])
    assert extracted(model, tmp_path).operators == {"LogisticRegression": 1, "Pipeline": 40}


def test_a_pipeline_that_contains_itself_is_reported_once(tmp_path: Path) -> None:
    model = Pipeline([("only", StandardScaler())])
    model.steps.append(("again", model))
    assert extracted(model, tmp_path).operators == {"Pipeline": 1, "StandardScaler": 1}


def test_a_pickle_of_another_object_is_reported_as_no_estimator(tmp_path: Path) -> None:
    signature = extracted({"a": 1}, tmp_path)
    assert (signature.inputs, signature.outputs) == ((), ())
    assert signature.unknown["operators"] == "the file contains no scikit-learn estimator"


def test_lz4_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="save it with zlib or uncompressed"):
        extract_signature("SKLearn", write(tmp_path, "model.joblib", b"\x04\x22\x4d\x18" + bytes(20)))


def test_reading_imports_neither_scikit_learn_nor_joblib(tmp_path: Path) -> None:
    model_files.sklearn_joblib(tmp_path)
    program = (
        "import sys; from pathlib import Path; from modelformats import extract_signature;"
        f"extract_signature('SKLearn', Path({str(tmp_path)!r}));"
        "print(sorted({'sklearn', 'joblib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
