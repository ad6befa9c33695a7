"""Tensors as raw bytes: the binary tensor data extension of the Open Inference Protocol, as in Triton and KServe.

The body starts with `Inference-Header-Content-Length` bytes of JSON. The tensors follow in order, each row-major and
little-endian without padding. An element of BYTES is its length, four bytes little-endian, and then its UTF-8 text.
"""

from collections.abc import Sequence
from math import prod
from struct import Struct

import numpy as np

from .errors import ExecutionError, InvalidRequestError
from .tensors import NUMPY_TYPES, Array, Datatype

LENGTH = Struct("<I")


class Parts:
    """The tensors after the JSON of a request, read one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._offset = 0

    def take(self, size: int, name: str) -> memoryview:
        """Return the next bytes.

        Raises:
            InvalidRequestError: fewer bytes are left.
        """
        part = self._data[self._offset : self._offset + size]
        if len(part) != size:
            raise InvalidRequestError(
                f"input '{name}' has 'binary_data_size' {size}, but only {len(part)} bytes of the body are left for it"
            )
        self._offset += size
        return part

    def finish(self) -> None:
        """Raise InvalidRequestError if bytes are left."""
        left = len(self._data) - self._offset
        if left:
            raise InvalidRequestError(f"the body has {left} bytes more than the inputs' 'binary_data_size' add up to")


def split(body: bytes, header_length: int | None) -> tuple[bytes, Parts]:
    """Split a request into its JSON and the bytes after it; without the header, all of it is JSON.

    Raises:
        InvalidRequestError: the body is shorter than the header declares.
    """
    if header_length is None:
        return body, Parts(b"")
    if not 0 <= header_length <= len(body):
        raise InvalidRequestError(
            f"Inference-Header-Content-Length is {header_length}, but the body has {len(body)} bytes"
        )
    return body[:header_length], Parts(body[header_length:])


def decode(part: memoryview, *, name: str, datatype: Datatype, shape: Sequence[int]) -> Array:
    """Decode raw bytes to a tensor.

    Raises:
        InvalidRequestError: the number of bytes does not fit the shape, or text is not UTF-8.
    """
    if datatype is Datatype.BYTES:
        return _decode_texts(part, name, prod(shape)).reshape(shape)
    dtype = NUMPY_TYPES[datatype].newbyteorder("<")
    if len(part) != prod(shape) * dtype.itemsize:
        raise InvalidRequestError(
            f"input '{name}' has {len(part)} bytes, but {datatype} {list(shape)} needs {prod(shape) * dtype.itemsize}"
        )
    if datatype is Datatype.BOOL:
        truths: Array = np.frombuffer(part, np.uint8) != 0
        return truths.reshape(shape)
    # A copy, because engines may write to their inputs, and bytes of a body are read-only.
    return np.frombuffer(part, dtype).astype(NUMPY_TYPES[datatype]).reshape(shape)


def encode(array: Array, *, name: str, datatype: Datatype) -> bytes:
    """Encode a tensor as raw bytes.

    Raises:
        ExecutionError: an element of BYTES is neither text nor bytes.
    """
    if datatype is Datatype.BYTES:
        return b"".join(_encode_text(value, name) for value in array.ravel().tolist())
    return np.ascontiguousarray(array, NUMPY_TYPES[datatype].newbyteorder("<")).tobytes()


def _decode_texts(part: memoryview, name: str, count: int) -> Array:
    texts: list[str] = []
    offset = 0
    while offset < len(part):
        begin = offset + LENGTH.size
        length = LENGTH.unpack_from(part, offset)[0] if begin <= len(part) else -1
        if length < 0 or begin + length > len(part):
            raise InvalidRequestError(f"input '{name}' ends within element {len(texts)}")
        try:
            texts.append(str(part[begin : begin + length], "utf-8"))
        except UnicodeDecodeError as error:
            raise InvalidRequestError(f"element {len(texts)} of input '{name}' is not UTF-8 text") from error
        offset = begin + length
    if len(texts) != count:
        raise InvalidRequestError(f"input '{name}' has {len(texts)} elements, but its shape needs {count}")
    return np.array([*texts, None], object)[:-1]  # None prevents numpy from creating strings of fixed width


def _encode_text(value: object, name: str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    if not isinstance(data, bytes):
        raise ExecutionError(f"output '{name}' holds a {type(value).__name__}, which is neither text nor bytes")
    return LENGTH.pack(len(data)) + data
