"""The port between the server and a model: the interface that each model format implements."""

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
    """One entry per dimension, -1 for any length; None if the model does not declare its rank."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Further facts about the tensor, such as `classes`: a JSON list with the names of the last dimension."""


class Model(Protocol):
    """A loaded model; `predict` is called from several threads at once."""

    @property
    def platform(self) -> str:
        """The protocol's `platform`: `<engine>_<format>`."""
        ...

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """All inputs; each of them is required."""
        ...

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """All outputs that can be requested, in the order of the response."""
        ...

    @property
    def row_wise(self) -> bool:
        """True if the first dimension of every tensor is the batch, and rows are independent of each other."""
        ...

    @property
    def example(self) -> Mapping[str, Array] | None:
        """Inputs that the model should accept, if its files contain more about them than the metadata; else None."""
        ...

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the model, and return exactly the requested outputs with their declared datatypes.

        Args:
            inputs: all inputs, with the declared datatypes and shapes that fit the declared ones; BYTES tensors are
                object arrays of `str`, both ways.
            outputs: names from `self.outputs`, each at most once.

        Raises:
            InvalidRequestError: the model rejects these inputs.
            ExecutionError: the model failed for any other reason.
        """
        ...


class ModelLoader(Protocol):
    """The function `load` of each adapter module."""

    def __call__(self, directory: Path, *, threads: int) -> Model:
        """Load the model whose files are in `directory`; one run uses at most `threads` threads.

        Raises:
            FileSelectionError: none of the files is the model, or more than one.
            ModelLoadError: the files are broken, or need a feature that this server does not have.
        """
        ...
