"""Converts a TensorFlow Lite model to ONNX."""

from ..program import INVALID_MODEL, ProblemError, Request, main
from ..tensorflow.converter import to_onnx

_IDENTIFIER = b"TFL3"


def convert(request: Request) -> dict[str, str]:
    """Convert the model; quantised weights and activations remain quantised."""
    path = request.file
    with path.open("rb") as file:
        if file.read(8)[4:] != _IDENTIFIER:
            raise ProblemError(INVALID_MODEL, f"{path.name} is not a TensorFlow Lite model")
    return to_onnx(request, ["--tflite", str(path)], path)


if __name__ == "__main__":
    main(convert)
