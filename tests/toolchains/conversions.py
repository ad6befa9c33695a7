"""Helpers of the conversion tests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kleverproto.conversions import ConversionRecord
from kleverproto.signatures import Signature, Tensor
from modelconversion.conversion import convert
from modelconversion.execution import Limits
from modelconversion.toolchains.store import ToolchainStore
from modelformats.catalogue import extract_signature
from toolchains import measured


def signature(**inputs: tuple[str, tuple[int | str, ...]]) -> Signature:
    """Inputs by name: type and shape."""
    return Signature(
        inputs=tuple(Tensor(name=name, dtype=dtype, shape=shape) for name, (dtype, shape) in inputs.items())
    )


def names_of(tensors: Iterable[Tensor]) -> list[str]:
    """Names in any order, because formats have their own order."""
    return sorted(tensor.name for tensor in tensors)


RENAMED = {("SKLearn", "PMML")}
"""Renamed tensors that docs/formats.md describes: PMML has a field for each column and each class."""


@dataclass(frozen=True)
class Conversion:
    """A model of a test, and its conversion."""

    model: str
    source: str
    target: str
    signature: Signature
    options: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, Any] = field(default_factory=dict)

    async def run(self, directory: Path, destination: Path, toolchains: ToolchainStore) -> ConversionRecord:
        """Convert the model within the limits of a laptop. Record the comparison for the table of docs/formats.md."""
        record = await convert(
            directory,
            self.source,
            self.target,
            destination,
            signature=self.signature,
            options=self.options,
            samples=self.samples,
            toolchains=toolchains,
            limits=Limits(wall_seconds=120, memory_bytes=4 * 2**30),
            on_line=print,
        )
        measured.add(self.model, record, self.options)
        self._check_names(directory, destination)
        return record

    def _check_names(self, directory: Path, destination: Path) -> None:
        """Check that the result's tensors have the source's or declared names, and the same ranks where known."""
        if (self.source, self.target) in RENAMED or "signature" in self.options:
            return
        source, result = extract_signature(self.source, directory), extract_signature(self.target, destination)
        for side in ("inputs", "outputs"):
            own, declared, made = (getattr(each, side) for each in (source, self.signature, result))
            assert names_of(made) in [names_of(known) for known in (own, declared) if known] or not (own or declared)
            ranks = {tensor.name: len(tensor.shape) for tensor in (*own, *declared) if tensor.shape is not None}
            for tensor in made:
                if tensor.shape is not None and tensor.name in ranks:
                    assert len(tensor.shape) == ranks[tensor.name], tensor

    def __str__(self) -> str:
        return "-".join([self.model, self.target, *self.options.values()])


def check(record: ConversionRecord, *, largest: float) -> None:
    """Check that the result was compared on informative outputs, and that the difference is within the limit."""
    assert record.verification.verified, record.verification.reason
    assert record.verification.differences
    for difference in record.verification.differences:
        assert difference.note is None, difference
        assert difference.relative <= largest, difference
    assert all(step.versions for step in record.steps)
