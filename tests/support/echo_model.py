"""A model without an engine that returns its inputs."""

from collections.abc import Mapping, Sequence

from kleverserve.model import TensorSpec
from kleverserve.tensors import Array, Datatype


class EchoModel:
    """One input per datatype, or the given inputs, and a copy of each as output `<name>_out`."""

    platform = "test_echo"
    row_wise = False
    example: Mapping[str, Array] | None = None

    def __init__(self, inputs: Sequence[TensorSpec] | None = None) -> None:
        self.inputs = inputs or [TensorSpec(datatype.value, datatype, (-1,)) for datatype in Datatype]
        self.outputs = [TensorSpec(f"{spec.name}_out", spec.datatype, spec.shape) for spec in self.inputs]

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        return {name: inputs[name.removesuffix("_out")] for name in outputs}
