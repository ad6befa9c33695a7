"""Make MXNet's models: `python mxnet_models.py <directory>`, one directory for each model."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from pathlib import Path
from typing import Any

import mxnet as mx
from mxnet.gluon import nn


def place(root: Path, name: str) -> str:
    """The prefix of a model's files."""
    directory = root / name
    directory.mkdir(parents=True)
    return str(directory / "model")


def trained(symbol: Any, prefix: str, shape: tuple[int, ...], labels: tuple[int, ...]) -> None:
    """Save a checkpoint of the Module interface, with random weights."""
    module = mx.mod.Module(symbol, data_names=["data"], label_names=["softmax_label"])
    module.bind([("data", shape)], [("softmax_label", labels)])
    module.init_params(mx.initializer.Normal(0.5))
    module.save_checkpoint(prefix, 1)


def network() -> Any:
    """Convolutions, normalisation, pooling, two layers."""
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(4, 3, activation="relu"),
        nn.BatchNorm(),
        nn.MaxPool2D(),
        nn.Conv2D(6, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.GlobalAvgPool2D(),
        nn.Flatten(),
        nn.Dense(8, activation="tanh"),
        nn.Dense(3),
    )
    net.initialize(mx.init.Normal(0.5))
    net.hybridize()
    return net


def main(root: Path) -> None:
    """Make them all."""
    mx.random.seed(1)
    net = network()
    net(mx.nd.random.normal(shape=(2, 1, 12, 12)))
    net.export(place(root, "gluon"))
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    trained(mx.sym.SoftmaxOutput(layer, name="softmax"), place(root, "softmax"), (2, 4), (2,))
    label = mx.sym.Variable("softmax_label")
    trained(mx.sym.LinearRegressionOutput(layer, label=label), place(root, "regression"), (2, 4), (2, 3))
    trained(mx.sym.SoftmaxOutput(mx.sym.erfinv(layer), name="softmax"), place(root, "foreign"), (2, 4), (2,))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
