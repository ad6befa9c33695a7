"""A PyTorch exported program (.pt2) to ONNX. It tells its inputs itself, with the sizes that are free."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import torch

from .program import UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions
from .torch_models import last_line, load_exported


def convert(request: Request) -> dict[str, str]:
    """Convert the program."""
    exported = load_exported(request.single_file("*.pt2"))
    opset = {"opset_version": int(request.options["opset"])} if "opset" in request.options else {}
    try:
        result = torch.onnx.export(exported, dynamo=True, verbose=False, **opset)
    except torch.onnx.errors.OnnxExporterError as error:
        raise ProblemError(UNSUPPORTED_OPERATOR, f"PyTorch cannot export the model: {last_line(error)}") from error
    result.save(str(request.destination / "model.onnx"))
    return {"torch": torch.__version__, **versions("onnxscript", "onnx")}


if __name__ == "__main__":
    main(convert)
