"""Converts CatBoost models to ONNX, with CatBoost's own exporter."""

from pathlib import Path
from tempfile import TemporaryDirectory

import catboost  # type: ignore[import-not-found]  # only in its toolchain
import onnx

from ..onnx.files import save
from ..program import UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions
from .models import load_model


def convert(request: Request) -> dict[str, str]:
    """Export the model; its input is one matrix of features."""
    model = load_model(request)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "model.onnx"
        try:
            model.save_model(str(path), format="onnx")
        except catboost.CatBoostError as error:
            raise ProblemError(UNSUPPORTED_OPERATOR, f"CatBoost does not export this model: {error}") from error
        save(onnx.load(path), request)
    return versions("catboost", "onnx")


if __name__ == "__main__":
    main(convert)
