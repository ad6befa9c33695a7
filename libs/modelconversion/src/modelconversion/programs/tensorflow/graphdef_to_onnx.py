"""Converts a frozen TensorFlow graph to ONNX."""

import onnx

from ..onnx.files import FILE
from ..onnx.names import rename
from ..program import Request, main, print_progress
from .converter import to_onnx
from .models import ends_of, read_graph


def convert(request: Request) -> dict[str, str]:
    """Convert the graph between inputs and outputs of its signature, else between its placeholders and last nodes."""
    path = request.file
    inputs, outputs = ends_of(read_graph(path), request)
    print_progress(f"converting from {', '.join(inputs)} to {', '.join(outputs)}")
    ends = ["--inputs", ",".join(inputs), "--outputs", ",".join(outputs)]
    used = to_onnx(request, ["--graphdef", str(path), *ends], path)
    model = onnx.load(request.destination / FILE, load_external_data=False)
    rename(model, [_node(name) for name in inputs], [_node(name) for name in outputs])
    onnx.save_model(model, request.destination / FILE)
    return used


def _node(tensor: str) -> str:
    """Return the name of the node, which the catalogue and the model server use for its first result."""
    return tensor.removesuffix(":0")


if __name__ == "__main__":
    main(convert)
