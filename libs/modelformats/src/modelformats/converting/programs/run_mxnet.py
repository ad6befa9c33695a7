"""Run an MXNet checkpoint once."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import mxnet

from .mxnet_models import first_line, inputs_of, load_checkpoint
from .program import INPUT_SHAPE_NEEDED, ProblemError, Request, main, versions
from .samples import matched, read_samples, write_results


def convert(request: Request) -> dict[str, str]:
    """Bind the samples, run forward, give the heads."""
    graph, arrays = load_checkpoint(request)
    samples = matched(read_samples(request), inputs_of(graph, arrays))
    given = {name: mxnet.nd.array(value, dtype=value.dtype) for name, value in samples.items()}
    auxiliary = {name: arrays[name] for name in graph.list_auxiliary_states()}
    weights = {name: array for name, array in arrays.items() if name not in auxiliary}
    try:
        outputs = graph.bind(mxnet.cpu(), {**weights, **given}, aux_states=auxiliary).forward(is_train=False)
        results = {name: array.asnumpy() for name, array in zip(graph.list_outputs(), outputs, strict=True)}
    except mxnet.MXNetError as error:
        raise ProblemError(INPUT_SHAPE_NEEDED, f"the model does not run on the samples: {first_line(error)}") from error
    write_results(request, results)
    return versions("mxnet")


if __name__ == "__main__":
    main(convert)
