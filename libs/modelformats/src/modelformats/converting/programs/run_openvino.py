"""Run an OpenVINO model once on the CPU, in float32."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import openvino

from .program import Request, main, versions
from .samples import matched, read_samples, write_results

SINK = "/sink_port_"
"""Between the name of a result and its number, in the name of its node."""


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
    """As the model server names it: of several names, the one that the node has too."""
    node, names = str(port.get_node().get_friendly_name()), {str(each) for each in port.get_names()}
    own = node.rpartition(SINK)[0] or node
    return own if own in names else min(names, default=node)


if __name__ == "__main__":
    main(convert)
