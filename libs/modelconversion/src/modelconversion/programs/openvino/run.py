"""Runs an OpenVINO model once on the CPU, in float32."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Collection

import openvino

from ..program import Request, main, versions
from ..samples import first_that_runs, matched, read_samples, write_results

SINK = "/sink_port_"
"""The text between the name of a result and its number in the name of its node."""


def convert(request: Request) -> dict[str, str]:
    """Run the model on the samples."""
    core = openvino.Core()
    # Without the hint, some CPUs compute in bfloat16, whose differences would be attributed to the conversion.
    model = core.compile_model(request.file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    samples = read_samples(request)
    results = model(matched(samples, [_name(port, samples) for port in model.inputs]))
    write_results(
        request, {_name(port, [output.name for output in request.outputs]): results[port] for port in model.outputs}
    )
    return versions("openvino")


def _name(port: openvino.ConstOutput, known: Collection[str]) -> str:
    """Return the name of a port that is known; else the model server's choice, the name that the node also has."""
    node, names = str(port.get_node().get_friendly_name()), {str(each) for each in port.get_names()}
    own = node.rpartition(SINK)[0] or node
    return min(names & set(known), default=own if own in names else min(names, default=node))


if __name__ == "__main__":
    main(first_that_runs(convert))
