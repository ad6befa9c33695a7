"""Runs an MXNet checkpoint once, on the CPU."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import mxnet as mx

from ..program import Request, main, versions
from ..samples import first_that_runs, matched, read_samples, write_results
from .models import load_checkpoint


def convert(request: Request) -> dict[str, str]:
    """Run the model with its losses, which ignore their labels outside training."""
    checkpoint = load_checkpoint(request)
    symbol, weights = checkpoint.trained, checkpoint.weights
    samples = matched(read_samples(request), checkpoint.inputs)
    executor = symbol.simple_bind(
        mx.cpu(),
        grad_req="null",
        type_dict={name: array.dtype for name, array in (samples | weights).items() if name in symbol.list_arguments()},
        **{name: array.shape for name, array in samples.items()},
    )
    executor.copy_params_from(weights, weights, allow_extra_params=True)
    results = executor.forward(is_train=False, **{name: mx.nd.array(array) for name, array in samples.items()})
    write_results(request, {name: array.asnumpy() for name, array in zip(symbol.list_outputs(), results, strict=True)})
    return versions("mxnet")


if __name__ == "__main__":
    main(first_that_runs(convert))
