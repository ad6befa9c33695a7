"""Compares the outputs of two models for the same inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kleverproto.codes import VERIFICATION_FAILED
from kleverproto.conversions import Difference
from modelconversion.errors import ConversionError
from modelconversion.pairs import Tolerance

_ALMOST_ZERO = 1e-6
_ALMOST_CONSTANT = 1e-6
"""Limit of the spread of an output, relative to its largest value."""

Outputs = Mapping[str, NDArray[Any]]


def compare(source: Outputs, result: Outputs, tolerance: Tolerance) -> tuple[Difference, ...]:
    """Return the difference of each output of the source.

    Outputs are matched by name if the names agree, else by position. Raises ConversionError (verification_failed) if
    one exceeds the tolerance or has another size.
    """
    if len(source) != len(result):
        raise _failed(f"it has {len(result)} outputs, the source {len(source)}")
    others = [result[name] for name in source] if set(source) == set(result) else list(result.values())
    return tuple(
        _compared(name, value, other, tolerance) for (name, value), other in zip(source.items(), others, strict=True)
    )


def _compared(name: str, source: NDArray[Any], result: NDArray[Any], tolerance: Tolerance) -> Difference:
    if source.size != result.size:
        raise _failed(f"output {name} has shape {result.shape}, the source's has {source.shape}")
    flat, other = source.reshape(-1), result.reshape(-1)
    if flat.dtype.kind in "fc" or other.dtype.kind in "fc":
        difference = _numeric_difference(name, flat.astype(np.float64), other.astype(np.float64))
        allowed = tolerance.allowed(difference.range, difference.largest)
    else:
        difference = _label_difference(name, flat, other)
        allowed = tolerance.relative
    if not difference.absolute <= allowed:
        raise _failed(
            f"output {name} differs from the source's by up to {difference.absolute:.3g} "
            f"(its range is {difference.range:.3g}), more than the {allowed:.3g} allowed"
        )
    return difference


def _numeric_difference(name: str, source: NDArray[np.float64], result: NDArray[np.float64]) -> Difference:
    finite = np.isfinite(source)
    # a value that is not finite must be equal in both
    agree = np.array_equal(source[~finite], result[~finite], equal_nan=True) and bool(np.isfinite(result[finite]).all())
    gap = np.abs(source[finite] - result[finite])
    absolute = (float(gap.max()) if gap.size else 0.0) if agree else float("inf")
    largest = float(np.abs(source[finite]).max()) if gap.size else 0.0
    scale = float(np.ptp(source[finite])) if gap.size else 0.0
    if scale < _ALMOST_CONSTANT * largest:
        scale = largest
    return Difference(
        output=name,
        absolute=absolute,
        relative=absolute / scale if scale else absolute,
        largest=largest,
        range=scale,
        note=_weakness(source[finite], largest),
    )


def _label_difference(name: str, source: NDArray[Any], result: NDArray[Any]) -> Difference:
    """Compare integers and strings, which are labels or counts: they are equal or not."""
    if source.dtype.kind != result.dtype.kind and "U" in {source.dtype.kind, result.dtype.kind}:
        source, result = source.astype(str), result.astype(str)
    share = float(np.mean(source != result)) if source.size else 0.0
    note = "it is the same for all samples: agreement proves little" if len(np.unique(source)) <= 1 else None
    return Difference(output=name, absolute=share, relative=share, largest=1.0, range=1.0, note=note)


def _weakness(values: NDArray[np.float64], largest: float) -> str | None:
    """Return the reason why such values do not show whether two models compute the same."""
    if not values.size:
        return "it has no finite value: agreement proves nothing"
    if largest < _ALMOST_ZERO:
        return "it is almost zero for all samples: agreement proves little"
    if values.size > 1 and float(np.ptp(values)) < _ALMOST_CONSTANT * largest:
        return "it is almost the same for all samples: agreement proves little"
    return None


def _failed(what: str) -> ConversionError:
    return ConversionError(VERIFICATION_FAILED, f"the converted model differs from the source: {what}")
