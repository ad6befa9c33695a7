"""Converts ONNX to OpenVINO's IR: model.xml and model.bin."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import openvino
from openvino.tools.ovc.error import Error

from ..program import INVALID_MODEL, UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions


def convert(request: Request) -> dict[str, str]:
    """Convert the model; its weights become float16 with the option compress_to_fp16=true."""
    path = request.file
    try:
        model = openvino.convert_model(path)
    except openvino.frontend.OpConversionFailure as error:
        raise ProblemError(UNSUPPORTED_OPERATOR, f"OpenVINO cannot convert the model: {_reason(error)}") from error
    except (openvino.frontend.GeneralFailure, Error) as error:
        raise ProblemError(INVALID_MODEL, f"OpenVINO cannot read the model: {_reason(error)}") from error
    compress = request.options.get("compress_to_fp16", "false") == "true"
    openvino.save_model(model, request.destination / "model.xml", compress_to_fp16=compress)
    return versions("openvino")


def _reason(error: Exception) -> str:
    """Return the line with the reason: the first lines name a location in OpenVINO's source code."""
    lines = [line.removeprefix("-- ") for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "operations:" in line), lines[-1] if lines else type(error).__name__)


if __name__ == "__main__":
    main(convert)
