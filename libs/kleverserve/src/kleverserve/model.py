"""The port between the server and a model: what a model format must offer to be served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .tensors import Array, Datatype


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model, as the protocol's metadata describes it."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...] | None
    """One entry per dimension, -1 where any length will do; None if the model does not say its rank."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Further facts about the tensor, such as `classes`: a JSON list naming what the last dimension holds."""


class Model(Protocol):
    """A loaded model; `predict` is called from several threads at once."""

    @property
    def platform(self) -> str:
        """The protocol's `platform`: `<engine>_<format>`."""
        ...

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """Every input; all of them are required."""
        ...

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """Every output that can be asked for, in the order they are answered."""
        ...

    @property
    def row_wise(self) -> bool:
        """Whether the first dimension of every tensor is the batch, and rows do not depend on each other."""
        ...

    @property
    def example(self) -> Mapping[str, Array] | None:
        """Inputs that the model should take, where its files contain more about them than the metadata; else None."""
        ...

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the model and return exactly the outputs asked for, each of its declared datatype.

        Args:
            inputs: all inputs, already of the declared datatype and of a shape that fits the declared one;
                BYTES tensors are object arrays of `str`, both ways.
            outputs: names out of `self.outputs`, each once.

        Raises:
            InvalidRequestError: the model refuses these inputs.
            ExecutionError: the model failed for any other reason.
        """
        ...


class ModelLoader(Protocol):
    """What each adapter module offers as `load`."""

    def __call__(self, directory: Path, *, threads: int) -> Model:
        """Load the model whose files are in `directory`; one run may use `threads` threads.

        Raises:
            FileSelectionError: none of the files is the model, or more than one.
            ModelLoadError: the files are broken, or need what this server cannot do.
        """
        ...
