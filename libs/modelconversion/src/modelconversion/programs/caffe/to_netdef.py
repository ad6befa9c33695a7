"""Converts Caffe models to Caffe2 nets, layer by layer (see `layers`)."""

from ..netdef.nets import Net, write_net
from ..program import INPUT_SHAPE_NEEDED, UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions
from .builder import Builder
from .layers import LAYERS
from .nets import DATA, declared_shapes, kind, read_layers, read_weights


def convert(request: Request) -> dict[str, str]:
    """Convert the layers in order; shapes are derived from those of the inputs."""
    net, layers = read_layers(request)
    shapes = dict(declared_shapes(net, layers))
    if not shapes or not all(shapes.values()):
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            "the network does not declare the shape of its inputs: write input_shape, or an Input layer, into the "
            "prototxt (the deploy.prototxt of a trained network has it)",
        )
    builder = Builder(shapes, read_weights(request))
    inputs = list(shapes)
    for layer in layers:
        name = kind(layer)
        if name in DATA:
            continue
        if name not in LAYERS:
            known = ", ".join(sorted(LAYERS))
            message = f"the layer {layer.text('name')} is a {name}, which has no conversion; these have: {known}"
            raise ProblemError(UNSUPPORTED_OPERATOR, message)
        builder.add(layer, LAYERS[name])
    ends = [entry.name for entry in request.outputs] or builder.ends()
    write_net(Net(builder.operators, builder.weights, inputs, ends), shapes, request.destination)
    return versions("numpy", "protobuf")


if __name__ == "__main__":
    main(convert)
