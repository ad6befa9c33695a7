"""Create MXNet checkpoints with MXNet: `python mxnet_models.py <directory>`, one directory for each model."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from pathlib import Path
from typing import Any

import mxnet as mx
from mxnet.gluon import nn


def cnn() -> Any:
    """Convolution, batch normalisation with statistics as after training, pooling and a layer."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3, activation="relu"), nn.BatchNorm(), nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(5))
    net.initialize(mx.init.Normal(0.5))
    net.hybridize()
    net(mx.nd.ones((1, 3, 12, 12)))
    net[1].running_mean.set_data(mx.nd.random.normal(shape=(4,)))
    net[1].running_var.set_data(mx.nd.random.uniform(0.5, 2, shape=(4,)))
    return net


def save(directory: Path, symbol: Any, **shapes: tuple[int, ...]) -> None:
    """Save a symbol with random weights, as modules do."""
    directory.mkdir()
    given = {*shapes, *(name for name in symbol.list_arguments() if name.endswith("_label"))}
    arguments, _, auxiliary = symbol.infer_shape(**shapes)
    sized = dict(zip(symbol.list_arguments(), arguments, strict=True))
    weights = {name: mx.nd.random.normal(shape=shape) for name, shape in sized.items() if name not in given}
    states = dict(zip(symbol.list_auxiliary_states(), map(mx.nd.ones, auxiliary), strict=True))
    mx.model.save_checkpoint(str(directory / "model"), 0, symbol, weights, states)


def main(root: Path) -> None:
    """Create all models."""
    data, other = mx.sym.var("data"), mx.sym.var("other")
    hidden = mx.sym.Activation(mx.sym.FullyConnected(data, num_hidden=6, name="h"), act_type="tanh")
    layer = mx.sym.FullyConnected(hidden, num_hidden=3, name="fc")
    save(root / "classifier", mx.sym.SoftmaxOutput(layer, name="softmax"), data=(2, 4))
    save(root / "regressor", mx.sym.LinearRegressionOutput(layer, name="lro"), data=(2, 4))
    save(root / "logistic", mx.sym.LogisticRegressionOutput(layer, name="logistic"), data=(2, 4))
    second = mx.sym.FullyConnected(other, num_hidden=3, name="second")
    total = mx.sym.sum(second * layer, axis=1, keepdims=True, name="a_sum")
    save(root / "two-in-two-out", mx.sym.Group([total, layer - second]), data=(2, 4), other=(2, 5))
    save(root / "foreign", mx.sym.erfinv(layer), data=(2, 4))
    (root / "gluon").mkdir()
    cnn().export(str(root / "gluon" / "model"))
    (root / "damaged").mkdir()
    (root / "damaged" / "model-0000.params").write_bytes((root / "gluon" / "model-0000.params").read_bytes()[:99])
    (root / "damaged" / "model-symbol.json").write_bytes((root / "gluon" / "model-symbol.json").read_bytes())


if __name__ == "__main__":
    mx.random.seed(7)
    main(Path(sys.argv[1]))
