"""A frozen TensorFlow graph to ONNX."""

from .program import Request, main, say
from .tensorflow_models import ends_of, read_graph
from .tensorflow_to_onnx import to_onnx


def convert(request: Request) -> dict[str, str]:
    """Convert the graph between the inputs and outputs of its signature, else between its own ends."""
    path = request.single_file("*.graphdef", "*.pb")
    inputs, outputs = ends_of(read_graph(path), request)
    say(f"converting from {', '.join(inputs)} to {', '.join(outputs)}")
    return to_onnx(
        request, ["--graphdef", str(path), "--inputs", ",".join(inputs), "--outputs", ",".join(outputs)], path
    )


if __name__ == "__main__":
    main(convert)
