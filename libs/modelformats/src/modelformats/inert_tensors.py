"""PyTorch tensors inside inert pickles: names, types and shapes. Their numbers are elsewhere and are not read.

The pickle calls torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, …), _rebuild_parameter(tensor, …); a
storage is a persistent id ("storage", class, key, device, size), as written by torch/serialization.py. Types without a
class of storages use _rebuild_tensor_v3, whose seventh argument is the type, and storages measured in bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelfiles.inert_pickle import PERSISTENT, Inert, class_name

from .weights import BITS, Weight, named_type, unknown_type

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
    "QUInt4x2": "uint4",
    "QUInt2x4": "uint2",
    **{f"UInt{bits}": f"uint{bits}" for bits in (16, 32, 64)},
    "ComplexHalf": "complex32",
    **{f"Float8_{kind}": f"float8_{kind}" for kind in ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu")},
    "Float4_e2m1fn_x2": "float4_e2m1fn_x2",
}
"""Storage class without its suffix, to numpy's name."""
TYPED = "_rebuild_tensor_v3"
REBUILT = ("_rebuild_tensor", "_rebuild_tensor_v2", TYPED, "_rebuild_qtensor")
WRAPPED = ("_rebuild_parameter", "_rebuild_parameter_with_state")
SUBCLASSED = "_rebuild_from_type_v2"
"""Its arguments are another of these functions, a class of tensors, the arguments of that function, and a state."""
UNTYPED = "Untyped"
LARGEST = 2**62
NAMES_LIMIT = 4096
"""Maximum number of characters of a dotted name."""


@dataclass(frozen=True)
class InertTensor:
    """A tensor that was not created."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    storage: Any
    """Equal for tensors that share the same part of the same numbers, such as tied weights."""
    key: str | None
    """Name of its storage in the archive."""
    size: int | None
    """Size of its storage in bytes, if the pickle contains it."""

    def weight(self, sizes: Mapping[str, int]) -> Weight:
        """Return its weight; for an unknown type, its size is that of its storage.

        Args:
            sizes: bytes of storages by their keys.
        """
        size = None if self.dtype in BITS else self.size if self.size is not None else sizes.get(self.key or "")
        return Weight(self.dtype, self.shape, size)


def tensors_in(root: Any) -> Iterator[InertTensor]:
    """Yield every tensor in an object graph once, by the path of attributes and keys to it."""
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
            waiting.extend(reversed([(_joined(name, key), inner) for key, inner in content_of(value)]))


def content_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the content of a container, or an object's state, by key.

    Dictionaries of a module are not part of names.
    """
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, Inert):
        yield from (item for item in value.items if isinstance(item, tuple) and len(item) == 2)  # noqa: PLR2004
        yield from enumerate(value.arguments)  # such as the two tensors of a sparse one
        if isinstance(value.state, tuple):  # such as the packed weights of a quantized layer
            yield from enumerate(value.state)
        for key, inner in content_of(value.state) if isinstance(value.state, dict) else ():
            if key in {"_parameters", "_buffers", "_modules"}:
                yield from content_of(inner)
            else:
                yield key, inner


def _joined(name: str, key: Any) -> str:
    text = key if isinstance(key, str) else str(key) if isinstance(key, int) else "?"
    return f"{name}.{text}"[-NAMES_LIMIT:] if name else text[-NAMES_LIMIT:]


def _tensor(name: str, value: Any) -> InertTensor | None:
    return _rebuilt(name, _bare(class_name(value)), value.arguments) if isinstance(value, Inert) else None


def _rebuilt(name: str, called: str, arguments: Any) -> InertTensor | None:
    if called in WRAPPED and arguments:
        return _tensor(name, arguments[0])
    if called == SUBCLASSED and len(arguments) > 2 and isinstance(arguments[2], tuple):  # noqa: PLR2004 - see SUBCLASSED
        return _rebuilt(name, _bare(getattr(arguments[0], "made_by", None)), arguments[2])
    if called not in REBUILT or len(arguments) < 3:  # noqa: PLR2004 - storage, offset, shape
        return None
    written, offset, shape = arguments[:3]
    if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
        raise ValueError(f"the tensor {name[:100]!r} has no shape")
    storage = _storage(written)
    dtype = named_type(DTYPES, storage.kind)
    if called == TYPED and len(arguments) > 6:  # noqa: PLR2004 - see above
        bare = _bare(getattr(arguments[6], "made_by", None))
        dtype = bare if bare in BITS else unknown_type(bare)
    part = (storage.key, offset if isinstance(offset, int) else None, shape)
    return InertTensor(name, dtype, shape, part, storage.key if isinstance(storage.key, str) else None, storage.size)


def _bare(dotted: str | None) -> str:
    return (dotted or "").rpartition(".")[2]


@dataclass(frozen=True)
class _Storage:
    kind: str
    """Of its class, without the suffix."""
    key: Any
    size: int | None
    """In bytes, if the pickle contains it in that unit."""


def _storage(written: Any) -> _Storage:
    if not isinstance(written, Inert) or written.made_by != PERSISTENT:
        return _Storage("storage", id(written), None)
    kind, key, size = (written.arguments[at] if at < len(written.arguments) else None for at in (1, 2, 4))
    bare = _bare(getattr(kind, "made_by", None)).removesuffix("Storage")
    has_size = bare == UNTYPED and isinstance(size, int) and 0 <= size < LARGEST
    return _Storage(bare, key if isinstance(key, str | int) else id(written), size if has_size else None)
