"""Converts one signature of a TensorFlow SavedModel to ONNX."""

from ..program import INVALID_MODEL, ProblemError, Request, main, print_progress
from .converter import to_onnx
from .models import chosen_signature


def convert(request: Request) -> dict[str, str]:
    """Convert the signature that the options name, else the one that servers use."""
    tag, signature = chosen_signature(request)
    print_progress(f"converting the signature {signature}")
    model = ["--saved-model", str(request.source), "--tag", tag, "--signature_def", signature]
    try:
        return to_onnx(request, model, request.source)
    except OSError as error:
        raise ProblemError(
            INVALID_MODEL, f"TensorFlow cannot load the SavedModel, a file may be missing: {error}"
        ) from error


if __name__ == "__main__":
    main(convert)
