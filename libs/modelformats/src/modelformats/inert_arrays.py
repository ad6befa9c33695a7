"""NumPy arrays inside inert pickles: type and shape, and the values of small ones."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

from modelfiles.inert_pickle import SMALL_ARRAY, Inert, class_name, dtype_string

PLAIN_KINDS = set("biufUS")
"""Booleans, integers, floats, text, bytes: the first letters of NumPy's dtype strings."""
INTEGER_BITS = 64
"""The widest integers of NumPy."""


@dataclass(frozen=True)
class InertArray:
    """An array that was not created.

    Attributes:
        typestr: NumPy's string for the dtype, such as `<f8`.
        shape: its dimensions, if known.
        content: its bytes, or the list of its objects; None if it is large.
    """

    typestr: str
    shape: tuple[int, ...] | None
    content: bytes | list[Any] | None

    def values(self) -> list[Any] | None:
        """Return the values in the types of JSON; None if they were not kept, or are neither numbers nor text.

        Raises ValueError if the bytes do not fit the dtype, or a value is neither a number nor text.
        """
        import numpy as np  # noqa: PLC0415 - only for labels

        if isinstance(self.content, bytes):
            if self.typestr.lstrip("<>|=")[:1] not in PLAIN_KINDS:
                return None
            return [_plain(value) for value in np.frombuffer(self.content, dtype=self.typestr).tolist()]
        return None if self.content is None else [_plain(value) for value in self.content]


def inert_array(value: Any) -> InertArray | None:
    """Return the array that an object represents; None if it represents none."""
    if not isinstance(value, Inert):
        return None
    name = (class_name(value) or "").rpartition(".")[2]
    read = _READERS.get(name)
    return read(value) if read else None


def _joblib(value: Inert) -> InertArray | None:
    """Read joblib's wrapper: the bytes follow it in the stream, objects as a separate pickle."""
    objects = inert_array(value.items[0]) if value.items else None
    content = objects.content if objects else value.array_bytes
    return _array(value.attribute("dtype"), value.attribute("shape"), content)


def _reconstructed(value: Inert) -> InertArray | None:
    """Read `ndarray.__reduce__`: the state is version, shape, dtype, order, data."""
    if not isinstance(value.state, tuple) or len(value.state) != 5:  # noqa: PLR2004 - see above
        return None
    _, shape, dtype, _, data = value.state
    return _array(dtype, shape, data)


def _scalar(value: Inert) -> InertArray | None:
    """Read a single number, created from dtype and data."""
    if len(value.arguments) != 2:  # noqa: PLR2004 - see above
        return None
    dtype, data = value.arguments
    return _array(dtype, (), data)


def _from_buffer(value: Inert) -> InertArray | None:
    """Read an array of pickle protocol 5, created from data, dtype, shape, order."""
    if len(value.arguments) < 3:  # noqa: PLR2004 - see above
        return None
    data, dtype, shape = value.arguments[:3]
    return _array(dtype, shape, data)


_READERS: dict[str, Callable[[Inert], InertArray | None]] = {
    "NumpyArrayWrapper": _joblib,
    "_reconstruct": _reconstructed,
    "_frombuffer": _from_buffer,
    "scalar": _scalar,
}


def _array(dtype: Any, shape: Any, data: Any) -> InertArray | None:
    typestr = dtype_string(dtype)
    if not isinstance(typestr, str):
        return None
    return InertArray(typestr, shape if isinstance(shape, tuple) else None, _content(data))


def _content(data: Any) -> bytes | list[Any] | None:
    if isinstance(data, Inert) and data.made_by == "_codecs.encode" and isinstance(data.arguments[0], str):
        data = data.arguments[0].encode("latin1")  # the form of bytes in protocols before 3
    if isinstance(data, bytes | bytearray):
        return bytes(data) if len(data) <= SMALL_ARRAY else None
    return data if isinstance(data, list) else None


def _plain(value: Any) -> bool | float | str | None:
    """Return a value in a type of JSON. Containers are rejected, because few bytes of a pickle can expand to many."""
    if isinstance(value, bytes):
        value = value.decode("latin1")
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, int) and value.bit_length() <= INTEGER_BITS:
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if value is None:
        return None
    raise ValueError("a label is neither a number nor text")
