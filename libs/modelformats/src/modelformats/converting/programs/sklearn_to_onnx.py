"""scikit-learn estimators and pipelines to ONNX, with skl2onnx."""

from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

from .onnx_files import opset, save
from .program import UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions
from .sklearn_models import load_estimator
from .sklearn_trees import route_missing
from .tables import feature_count


def convert(request: Request) -> dict[str, str]:
    """Convert the estimator; inputs are float32, labels and probabilities come out."""
    estimator = load_estimator(request)
    columns = getattr(estimator, "n_features_in_", None) or feature_count(request)
    try:
        model = convert_sklearn(
            estimator, initial_types=[("X", FloatTensorType([None, columns]))], target_opset=opset(request)
        )
    except (MissingConverter, MissingShapeCalculator) as error:
        raise ProblemError(UNSUPPORTED_OPERATOR, f"skl2onnx does not know a part of the model: {error}") from error
    if len(model.graph.output) > 1 and not hasattr(estimator, "predict_proba"):
        del model.graph.output[1:]  # skl2onnx gives scores where the estimator itself has no probabilities
    route_missing(model, estimator)
    save(model, request)
    return versions("skl2onnx", "scikit-learn", "onnx")


if __name__ == "__main__":
    main(convert)
