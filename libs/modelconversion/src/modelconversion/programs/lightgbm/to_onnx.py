"""Converts LightGBM models to ONNX, with onnxmltools."""

import onnxmltools  # type: ignore[import-not-found]  # only in its toolchain
from onnxmltools.convert.common.data_types import FloatTensorType  # type: ignore[import-not-found]  # only in its toolchain

from ..onnx import scores as onnx_scores
from ..onnx.files import opset, save
from ..program import Request, main, versions
from .models import load_booster, objective

NEWEST_OPSET = 15
"""The newest opset that this converter supports."""


def convert(request: Request) -> dict[str, str]:
    """Convert the booster; its input is one matrix of features, its output the result of `Booster.predict`."""
    booster = load_booster(request)
    model = onnxmltools.convert_lightgbm(
        booster,
        initial_types=[("input", FloatTensorType([None, booster.num_feature()]))],
        target_opset=min(opset(request), NEWEST_OPSET),
        zipmap=False,
    )
    if len(model.graph.output) > 1:
        scores = (
            onnx_scores.keep_second_probability if objective(booster) == "binary" else onnx_scores.keep_probabilities
        )
        scores(model)
    save(model, request)
    return versions("onnxmltools", "lightgbm", "onnx")


if __name__ == "__main__":
    main(convert)
