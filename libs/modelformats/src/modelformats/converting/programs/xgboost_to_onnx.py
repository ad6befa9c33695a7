"""XGBoost models to ONNX, with onnxmltools."""

import onnxmltools  # type: ignore[import-not-found]  # only in its toolchain
from onnxmltools.convert.common.data_types import FloatTensorType  # type: ignore[import-not-found]  # only in its toolchain

from .onnx_files import opset, save
from .program import Request, main, versions
from .xgboost_models import load_booster

NEWEST_OPSET = 15
"""The newest that this converter writes."""


def convert(request: Request) -> dict[str, str]:
    """Convert the booster; features come in as one matrix."""
    booster = load_booster(request)
    booster.feature_names = None  # the converter takes only f0, f1, …
    model = onnxmltools.convert_xgboost(
        booster,
        initial_types=[("X", FloatTensorType([None, booster.num_features()]))],
        target_opset=min(opset(request), NEWEST_OPSET),
    )
    save(model, request)
    return versions("onnxmltools", "xgboost-cpu", "onnx")


if __name__ == "__main__":
    main(convert)
