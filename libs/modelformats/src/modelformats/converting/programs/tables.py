"""What programs for models of tables share: one matrix in; labels and probabilities, or numbers, out."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from .program import INPUT_SHAPE_NEEDED, UNSUPPORTED_OPERATOR, ProblemError, Request
from .samples import read_samples, write_results

FILE = "model.onnx"
OPSET = 17
"""Of ONNX's own operators, unless asked otherwise: what every runtime of the last years has."""


def feature_count(request: Request) -> int:
    """Columns of the matrix. Raises ProblemError when the signature does not tell."""
    shape = request.inputs[0].shape if request.inputs else None
    if shape is None or not isinstance(shape[-1], int) or shape[-1] < 1:
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            "the model does not say how many features it takes: declare its input in ormbfile.yaml "
            "(signature.inputs, a name, dType and size such as [-1, 4])",
        )
    return shape[-1]


def opset(request: Request) -> int:
    """The opset that was asked for. Raises ProblemError when it is no number."""
    text = str(request.options.get("opset", OPSET))
    if not text.isdecimal():
        raise ProblemError(INPUT_SHAPE_NEEDED, f"the option opset is a number such as {OPSET}, not {text!r}")
    return int(text)


def save(model: Any, request: Request) -> None:
    """Write the ONNX model; scores come out as one matrix, not as a map for each row."""
    onnx.save_model(without_maps(model), request.destination / FILE)


def without_maps(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the ZipMap operators that converters put behind probabilities."""
    for node in [node for node in model.graph.node if node.op_type == "ZipMap"]:
        (output,) = [value for value in model.graph.output if value.name == node.output[0]]
        output.CopyFrom(onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, [None, None]))
        model.graph.node.remove(node)
    return model


def table(request: Request) -> NDArray[Any]:
    """The sample of the only input."""
    samples = read_samples(request)
    if len(samples) != 1:
        raise ProblemError(
            UNSUPPORTED_OPERATOR, "the model has columns of several types: only tables of numbers convert"
        )
    (values,) = samples.values()
    return values


def write_predictions(request: Request, labels: Any, probabilities: Any = None) -> None:
    """Write what the model predicts, in the order in which ONNX gives it."""
    outputs = {"label": np.asarray(labels)}
    if probabilities is not None:
        outputs["probabilities"] = np.asarray(probabilities)
    write_results(request, outputs)


def write_scores(request: Request, objective: str, scores: NDArray[Any]) -> None:
    """Write the scores of boosted trees: labels and probabilities of classifiers, else the numbers."""
    if objective.startswith("multi") and scores.ndim > 1:
        write_predictions(request, scores.argmax(axis=1), scores)
    elif objective.startswith("binary"):
        write_predictions(request, (scores > 0.5).astype(np.int64), np.stack([1 - scores, scores], axis=1))  # noqa: PLR2004
    else:
        write_predictions(request, scores)


def only_file(request: Request) -> Path:
    """The one file of the model, whatever it is called."""
    return request.single_file("*")
