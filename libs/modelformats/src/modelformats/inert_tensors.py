"""PyTorch tensors inside inert pickles: names, types and shapes; their numbers lie elsewhere and stay there.

What is called: torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, …), _rebuild_parameter(tensor, …); a
storage is a persistent id ("storage", class, key, device, size), as torch/serialization.py writes it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .inert_pickle import PERSISTENT, Inert, class_name

DTYPES = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Bool": "bool",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
    "QInt8": "int8",
    "QUInt8": "uint8",
    "QInt32": "int32",
}
"""Storage class, without its ending, to numpy's name."""
REBUILT = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor")
WRAPPED = ("_rebuild_parameter", "_rebuild_parameter_with_state")
NAMES_LIMIT = 4096
"""Characters of a dotted name."""


@dataclass(frozen=True)
class InertTensor:
    """A tensor that nobody has made."""

    name: str
    dtype: str | None
    shape: tuple[int, ...]
    storage: Any
    """Equal for tensors that are the same part of the same numbers, such as tied weights."""


def tensors_in(root: Any) -> Iterator[InertTensor]:
    """Every tensor in an object graph, each once, by the path of attributes and keys that leads to it."""
    waiting: list[tuple[str, Any]] = [("", root)]
    seen = set[int]()
    while waiting:
        name, value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        tensor = _tensor(name, value)
        if tensor is not None:
            yield tensor
        else:
            waiting.extend(reversed([(_joined(name, key), inner) for key, inner in inner_of(value)]))


def inner_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """What a container holds, or an object's state, by key; the dictionaries of a module are no part of names."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, Inert):
        yield from (item for item in value.items if isinstance(item, tuple) and len(item) == 2)  # noqa: PLR2004
        yield from enumerate(value.arguments)  # such as the two tensors of a sparse one
        if isinstance(value.state, tuple):  # such as the packed weights of a quantized layer
            yield from enumerate(value.state)
        for key, inner in inner_of(value.state) if isinstance(value.state, dict) else ():
            if key in {"_parameters", "_buffers", "_modules"}:
                yield from inner_of(inner)
            else:
                yield key, inner


def _joined(name: str, key: Any) -> str:
    text = key if isinstance(key, str) else str(key) if isinstance(key, int) else "?"
    return f"{name}.{text}"[-NAMES_LIMIT:] if name else text[-NAMES_LIMIT:]


def _tensor(name: str, value: Any) -> InertTensor | None:
    called = (class_name(value) or "").rpartition(".")[2] if isinstance(value, Inert) else ""
    if called in WRAPPED and value.arguments:
        return _tensor(name, value.arguments[0])
    if called not in REBUILT or len(value.arguments) < 3:  # noqa: PLR2004 - storage, offset, shape
        return None
    storage, offset, shape = value.arguments[:3]
    if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
        raise ValueError(f"the tensor {name[:100]!r} has no shape")
    part = offset if isinstance(offset, int) else None
    return InertTensor(name, _dtype(storage), shape, (_key(storage), part, shape))


def _dtype(storage: Any) -> str | None:
    if not isinstance(storage, Inert) or storage.made_by != PERSISTENT or len(storage.arguments) < 2:  # noqa: PLR2004
        return None
    kind = getattr(storage.arguments[1], "made_by", "")
    return DTYPES.get(kind.rpartition(".")[2].removesuffix("Storage"))


def _key(storage: Any) -> Any:
    named = isinstance(storage, Inert) and storage.made_by == PERSISTENT and len(storage.arguments) > 2  # noqa: PLR2004
    key = storage.arguments[2] if named else None
    return key if isinstance(key, str | int) else id(storage)
