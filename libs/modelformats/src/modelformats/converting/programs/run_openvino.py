"""Run an OpenVINO model once on the CPU, in float32."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import openvino

from .program import Request, main, versions
from .samples import first_that_runs, matched, read_samples, write_results


def convert(request: Request) -> dict[str, str]:
    """Run the model on the samples."""
    core = openvino.Core()
    # Without the hint some CPUs compute in bfloat16, whose differences would be taken for the conversion's.
    model = core.compile_model(request.single_file("*.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    inputs = matched(read_samples(request), [_name(port) for port in model.inputs])
    results = model(inputs)
    write_results(request, {_name(port): results[port] for port in model.outputs})
    return versions("openvino")


def _name(port: openvino.ConstOutput) -> str:
    return str(min(port.get_names(), default=port.get_node().get_friendly_name()))


if __name__ == "__main__":
    main(first_that_runs(convert))
