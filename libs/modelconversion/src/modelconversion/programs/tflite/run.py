"""Runs a TensorFlow Lite model once with LiteRT, like the model servers."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from ai_edge_litert.interpreter import Interpreter

from ..program import Request, main, versions
from ..samples import first_that_runs, matched, read_samples, write_results


def convert(request: Request) -> dict[str, str]:
    """Run the model on the samples."""
    interpreter = Interpreter(model_path=str(request.file))
    inputs = {entry["name"]: entry["index"] for entry in interpreter.get_input_details()}
    values = matched(read_samples(request), list(inputs))
    for name, value in values.items():
        interpreter.resize_tensor_input(inputs[name], value.shape)
    interpreter.allocate_tensors()
    for name, value in values.items():
        interpreter.set_tensor(inputs[name], value)
    interpreter.invoke()
    outputs = {entry["name"]: interpreter.get_tensor(entry["index"]) for entry in interpreter.get_output_details()}
    write_results(request, outputs)
    return versions("ai-edge-litert")


if __name__ == "__main__":
    main(first_that_runs(convert))
