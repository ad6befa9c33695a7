"""Run an OpenVINO model once on the CPU, in float32."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

from collections.abc import Collection

import openvino

from .program import Request, main, versions
from .samples import first_that_runs, matched, read_samples, write_results


def convert(request: Request) -> dict[str, str]:
    """Run the model on the samples."""
    core = openvino.Core()
    # Without the hint some CPUs compute in bfloat16, whose differences would be taken for the conversion's.
    model = core.compile_model(request.single_file("*.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    samples = read_samples(request)
    results = model(matched(samples, [_name(port, samples) for port in model.inputs]))
    write_results(request, {_name(port, request.outputs): results[port] for port in model.outputs})
    return versions("openvino")


def _name(port: openvino.ConstOutput, known: Collection[str]) -> str:
    """Of the names of a port, some of which are of operators that were merged into it, the one that is known."""
    names = sorted(port.get_names()) or [port.get_node().get_friendly_name()]
    return str(next((name for name in names if name in known), names[0]))


if __name__ == "__main__":
    main(first_that_runs(convert))
