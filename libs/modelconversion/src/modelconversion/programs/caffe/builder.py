"""A Caffe2 net under construction from the layers of Caffe, and the interpretation of the layers' options."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelfiles.protobuf.text import Fields

from ..netdef.nets import Operator, Value
from ..program import INVALID_MODEL, UNSUPPORTED_OPERATOR, ProblemError

Shape = tuple[int, ...]
IMAGE = 4


class Builder:
    """The operators and weights so far, and the shape of each value.

    Args:
        shapes: of the inputs.
        blobs: weights of Caffe by layer.
    """

    def __init__(self, shapes: Mapping[str, Shape], blobs: Mapping[str, list[NDArray[np.float32]]]) -> None:
        self.operators: list[Operator] = []
        self.weights: dict[str, NDArray[Any]] = {}
        self.shapes = dict(shapes)
        self._blobs = blobs
        self._free = dict.fromkeys(shapes)

    def add(self, layer: Fields, convert: "Convert") -> None:
        """Convert one layer. Raises ProblemError."""
        bottoms = layer.texts("bottom")
        unknown = [name for name in bottoms if name not in self.shapes]
        if unknown or not bottoms:
            raise ProblemError(
                INVALID_MODEL, f"the layer {layer.text('name')} has the input {unknown}, which no layer produces"
            )
        for name in bottoms:
            self._free.pop(name, None)
        convert(self, layer)
        self._free.update(dict.fromkeys(layer.texts("top")))

    def ends(self) -> list[str]:
        """Return the values that no layer consumes."""
        return list(self._free)

    def blobs(self, layer: Fields, count: int) -> list[NDArray[np.float32]]:
        """Return the layer's weights. Raises ProblemError if there are too few."""
        name = layer.text("name")
        blobs = self._blobs.get(name, [])
        if len(blobs) < count:
            raise ProblemError(
                INVALID_MODEL, f"the caffemodel has {len(blobs)} blobs for the layer {name}, not {count}"
            )
        return blobs

    def weight(self, layer: Fields, suffix: str, values: NDArray[Any]) -> str:
        """Add an array; returns its name."""
        name = f"{layer.text('name')}_{suffix}"
        self.weights[name] = values
        return name

    def emit(
        self, kind: str, inputs: Sequence[str], output: str, result: Shape, *others: str, **arguments: Value
    ) -> None:
        """Add an operator with its output, the shape of that, and further outputs that are not used."""
        self.operators.append(Operator(kind, tuple(inputs), (output, *others), arguments))
        self.shapes[output] = result


def ends_of(layer: Fields) -> tuple[str, str]:
    """Return the first bottom and the top of a layer."""
    return layer.text("bottom"), layer.text("top")


def refused(layer: Fields, what: str) -> ProblemError:
    """Return the error for an unsupported feature."""
    return ProblemError(UNSUPPORTED_OPERATOR, f"the layer {layer.text('name')}: {what} has no conversion")


def pair(options: Fields, name: str, default: int) -> tuple[int, int]:
    """Return height and width: `name_h` and `name_w`, or one or two values of `name` (`name_size` for kernels)."""
    many = [int(size) for size in options.texts(name)] or [default]
    short = name.removesuffix("_size")
    tall, wide = options.text(f"{short}_h"), options.text(f"{short}_w")
    return int(tall or many[0]), int(wide or many[-1])


def window(layer: Fields, options: Fields) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return kernel, stride and pad, each as height and width."""
    kernel = pair(options, "kernel_size", 0)
    if min(kernel) < 1:
        raise refused(layer, "a window without a kernel_size")
    return kernel, pair(options, "stride", 1), pair(options, "pad", 0)


def flag(options: Fields, name: str, *, default: bool) -> bool:
    """Return a boolean value."""
    return options.text(name, str(default)).lower() in {"true", "1"}


Convert = Callable[[Builder, Fields], None]
"""Adds the operators of one layer to the net."""
