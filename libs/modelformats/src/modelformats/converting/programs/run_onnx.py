"""Run an ONNX model once, with ONNX Runtime on the CPU."""

import onnxruntime

from .program import Request, main, versions
from .samples import matched, read_samples, write_results


def convert(request: Request) -> dict[str, str]:
    """Run the model on the samples."""
    session = onnxruntime.InferenceSession(request.single_file("*.onnx"), providers=["CPUExecutionProvider"])
    inputs = matched(read_samples(request), [entry.name for entry in session.get_inputs()])
    outputs = [entry.name for entry in session.get_outputs()]
    write_results(request, dict(zip(outputs, session.run(outputs, inputs), strict=True)))
    return versions("onnxruntime")


if __name__ == "__main__":
    main(convert)
