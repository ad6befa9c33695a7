"""Runs an ONNX model once, with ONNX Runtime on the CPU."""

import numpy as np
import onnxruntime

from ..program import Request, main, versions
from ..samples import first_that_runs, matched, read_samples, write_results

FLOAT = "tensor(float)"


def convert(request: Request) -> dict[str, str]:
    """Run the model on the samples."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.load_model_format", "ONNX")  # regardless of the name of the file
    session = onnxruntime.InferenceSession(request.file, options, providers=["CPUExecutionProvider"])
    entries = session.get_inputs()
    inputs = matched(read_samples(request), [entry.name for entry in entries])
    for entry in entries:
        if entry.type == FLOAT:  # converters narrow float64 inputs of the source
            inputs[entry.name] = inputs[entry.name].astype(np.float32)
    outputs = [entry.name for entry in session.get_outputs()]
    write_results(request, dict(zip(outputs, session.run(outputs, inputs), strict=True)))
    return versions("onnxruntime")


if __name__ == "__main__":
    main(first_that_runs(convert))
