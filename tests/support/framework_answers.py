"""Models that frameworks create in their toolchains for tests, and the answers of the frameworks."""

from typing import Any

import numpy as np

ABSOLUTE, RELATIVE = 1e-6, 1e-5
"""Tolerances of answers in float32; the doubles of scikit-learn, LightGBM and PMML are held to DOUBLE."""
DOUBLE = 1e-12
CASES = {
    "table_models": (
        "sklearn",
        (
            "sklearn-pipeline sklearn-missing-values sklearn-regressor sklearn-no-probabilities sklearn-clusters "
            "sklearn-transformer sklearn-named-columns sklearn-wide sklearn-wide-texts sklearn-texts sklearn-declared "
            "xgboost-softprob xgboost-softmax xgboost-logistic xgboost-linear xgboost-targets xgboost-vectors "
            "lightgbm-multiclass lightgbm-binary lightgbm-regression catboost-classes catboost-numbers "
            "catboost-categories"
        ),
    ),
    "torch_models": ("torch", "torchscript-undeclared torchscript-declared exportedprogram exportedprogram-repeats"),
    "tensorflow_models": ("tf", "savedmodel graphdef tflite tflite-spectrum"),
    "openvino_models": ("openvino", "openvino"),
    "pmml_models": ("pmml", "pmml-classifier pmml-regression pmml-bare pmml-shown"),
}
"""Program to the toolchain that it runs in, and the models that it creates."""


def assert_answers(outputs: list[dict[str, Any]], expected: dict[str, Any], rows: slice) -> None:
    """Check that every expected output is present with the framework's values for these rows."""
    given = {output["name"]: output for output in outputs}
    for name, values in expected.items():
        wanted, output = np.array(values[rows]), given[name]
        assert output["shape"] == list(wanted.shape), name
        flat = wanted.ravel()
        if output["datatype"] in ("FP32", "FP64"):
            got = np.array(output["data"], float)
            is_double = output["datatype"] == "FP64"
            absolute, relative = (DOUBLE, DOUBLE) if is_double else (ABSOLUTE, RELATIVE)
            np.testing.assert_allclose(got, flat.astype(float), atol=absolute, rtol=relative)
        else:
            assert output["data"] == flat.tolist(), name
