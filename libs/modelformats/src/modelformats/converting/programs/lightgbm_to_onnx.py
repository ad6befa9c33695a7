"""LightGBM models to ONNX, with onnxmltools."""

import onnxmltools  # type: ignore[import-not-found]  # only in its toolchain
from onnxmltools.convert.common.data_types import FloatTensorType  # type: ignore[import-not-found]  # only in its toolchain

from .lightgbm_models import load_booster
from .onnx_files import opset, save
from .program import Request, main, versions

NEWEST_OPSET = 15
"""The newest that this converter writes."""


def convert(request: Request) -> dict[str, str]:
    """Convert the booster; features come in as one matrix."""
    booster = load_booster(request)
    model = onnxmltools.convert_lightgbm(
        booster,
        initial_types=[("X", FloatTensorType([None, booster.num_feature()]))],
        target_opset=min(opset(request), NEWEST_OPSET),
        zipmap=False,
    )
    save(model, request)
    return versions("onnxmltools", "lightgbm", "onnx")


if __name__ == "__main__":
    main(convert)
