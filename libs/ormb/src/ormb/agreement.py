"""Comparison of the signature declared in ormbfile.yaml with the signature parsed from the model's files."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from kleverproto.signatures import Signature, Tensor

ALIASES = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "int": "int32",
    "long": "int64",
    "short": "int16",
    "fp16": "float16",
    "fp32": "float32",
    "fp64": "float64",
    "string": "str",
    "boolean": "bool",
}
"""Names of types that people and frameworks use, with the names of NumPy."""
PREFIXES = ("dt_", "type_")
"""Prefixes of type names in TensorFlow and Triton."""


def contradictions(declared: Signature | None, parsed: Signature) -> tuple[str, ...]:
    """Return a sentence for each contradiction. Fields that one of the two leaves open are no contradiction."""
    if declared is None:
        return ()
    return (
        *_contradictions("input", declared.inputs, parsed.inputs),
        *_contradictions("output", declared.outputs, parsed.outputs),
    )


def completed(declared: Signature | None, parsed: Signature) -> Signature:
    """Return the parsed signature, completed with the declared one where the files leave fields open."""
    if declared is None:
        return parsed
    inputs, outputs = _completed(declared.inputs, parsed.inputs), _completed(declared.outputs, parsed.outputs)
    return parsed.replace(inputs=inputs, outputs=outputs)


def _completed(declared: Sequence[Tensor], parsed: Sequence[Tensor]) -> tuple[Tensor, ...]:
    by_name = {tensor.name: tensor for tensor in declared}
    if not parsed:
        return tuple(tensor.replace(dtype=_dtype(tensor.dtype)) for tensor in declared)
    return tuple(_filled(by_name[tensor.name], tensor) if tensor.name in by_name else tensor for tensor in parsed)


def _filled(declared: Tensor, parsed: Tensor) -> Tensor:
    shape = declared.shape if parsed.shape is None else parsed.shape
    return parsed.replace(dtype=parsed.dtype or _dtype(declared.dtype), shape=shape)


def _contradictions(kind: str, declared: Sequence[Tensor], parsed: Sequence[Tensor]) -> Iterator[str]:
    if not declared or not parsed:
        return
    by_name = {tensor.name: tensor for tensor in parsed}
    for tensor in declared:
        if tensor.name in by_name:
            yield from _differences(kind, tensor, by_name[tensor.name])
        else:
            yield f"ormbfile.yaml declares the {kind} {tensor.name!r}, but the model has {_listed(by_name)}"
    if missing := sorted(set(by_name) - {tensor.name for tensor in declared}):
        yield f"the model has the {kind} {_listed(missing)}, which ormbfile.yaml does not declare"


def _differences(kind: str, declared: Tensor, parsed: Tensor) -> Iterator[str]:
    declared_type, parsed_type = _dtype(declared.dtype), _dtype(parsed.dtype)
    if declared_type and parsed_type and declared_type != parsed_type:
        tensor = f"the {kind} {declared.name!r}"
        yield f"ormbfile.yaml declares {tensor} as {declared.dtype}; in the model it is {parsed.dtype}"
    if declared.shape is not None and parsed.shape is not None and not _fits(declared.shape, parsed.shape):
        yield (
            f"ormbfile.yaml declares the {kind} {declared.name!r} with the shape {_shape(declared.shape)}; "
            f"in the model it is {_shape(parsed.shape)}"
        )


def _dtype(name: str | None) -> str | None:
    """Return the NumPy name of a type; None if the name is unknown."""
    if name is None:
        return None
    text = name.lower()
    for prefix in PREFIXES:
        text = text.removeprefix(prefix)
    text = ALIASES.get(text, text)
    try:
        return text if text in {"str", "bfloat16"} else np.dtype(text).name
    except TypeError:
        return None


def _fits(declared: Sequence[int | str], parsed: Sequence[int | str]) -> bool:
    """Return whether two shapes can be the same; a dimension of variable size matches every size."""
    same_rank = len(declared) == len(parsed)
    return same_rank and all(
        a == b or not isinstance(a, int) or not isinstance(b, int) or -1 in {a, b}
        for a, b in zip(declared, parsed, strict=True)
    )


def _shape(shape: Iterable[int | str]) -> str:
    return f"[{', '.join(str(size) for size in shape)}]"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
