"""The checked-in coefficients equal those of scikit-learn, and the ONNX model predicts the same."""

import numpy as np
import onnxruntime
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from klever.demo.iris import CLASSES, SAMPLE, V1, V2, Classifier, onnx_model


def trained(classifier: Classifier) -> LogisticRegression:
    features, species = load_iris(return_X_y=True)
    return LogisticRegression(C=classifier.regularisation, max_iter=5000, tol=1e-8).fit(features, species)


@pytest.mark.parametrize("classifier", [V1, V2], ids=["v1", "v2"])
def test_repeated_training_gives_the_same_classifier(classifier: Classifier) -> None:
    again = trained(classifier)
    np.testing.assert_allclose(classifier.coefficients, again.coef_, atol=1e-3)
    np.testing.assert_allclose(classifier.intercepts, again.intercept_, atol=1e-2)


@pytest.mark.parametrize("classifier", [V1, V2], ids=["v1", "v2"])
def test_the_onnx_model_agrees_with_scikit_learn(classifier: Classifier) -> None:
    features, _ = load_iris(return_X_y=True)
    session = onnxruntime.InferenceSession(onnx_model(classifier).SerializeToString())
    labels, probabilities = session.run(["label", "probabilities"], {"x": features.astype(np.float32)})
    again = trained(classifier)
    np.testing.assert_array_equal(labels, again.predict(features))
    np.testing.assert_allclose(probabilities, again.predict_proba(features), atol=1e-3)


def test_the_sample_is_a_virginica() -> None:
    assert CLASSES[int(trained(V1).predict([SAMPLE])[0])] == "virginica"
