"""Converts a PyTorch exported program (.pt2) to ONNX. It describes its inputs, including variable sizes."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from pathlib import Path
from typing import Any

import onnx
import torch

from ..onnx.files import FILE
from ..onnx.names import rename
from ..program import UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions
from .models import last_line, load_exported


def convert(request: Request) -> dict[str, str]:
    """Convert the program."""
    exported = load_exported(request.file)
    opset = {"opset_version": int(request.options["opset"])} if "opset" in request.options else {}
    try:
        result = torch.onnx.export(exported, dynamo=True, verbose=False, **opset)
    except torch.onnx.errors.OnnxExporterError as error:
        raise ProblemError(UNSUPPORTED_OPERATOR, f"PyTorch cannot export the model: {last_line(error)}") from error
    path = request.destination / FILE
    result.save(str(path))
    with_own_names(path, exported.graph_signature)
    return {"torch": torch.__version__, **versions("onnxscript", "onnx")}


def with_own_names(path: Path, signature: Any) -> None:
    """Give the tensors the names of the program's graph; a result that is returned twice is one output."""
    model, names = onnx.load(path, load_external_data=False), list(signature.user_outputs)
    if len(names) == len(model.graph.output):
        outputs = [model.graph.output[names.index(name)] for name in dict.fromkeys(names)]
        kept = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in outputs]
        del model.graph.output[:]
        model.graph.output.extend(kept)
    rename(model, list(signature.user_inputs), list(dict.fromkeys(names)))
    onnx.save_model(model, path)


if __name__ == "__main__":
    main(convert)
