"""The arrays that joblib writes between the opcodes of a pickle: a wrapper, padding, and the bytes."""

from typing import Any

import numpy as np

from .errors import RefusedPickleError
from .streams import CHUNK, StrictStream

WRAPPERS = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
}
MOST_ELEMENTS = 2**48


class ArrayWrapper:
    """Replaces joblib's class of this purpose, which is not called: its values are checked here."""

    def __init__(self) -> None:
        self.dtype: Any = None
        self.shape: Any = None
        self.order: Any = None
        self.numpy_array_alignment_bytes: Any = None

    def set(self, state: Any) -> None:
        """Set the description that joblib has written. Raises RefusedPickleError if it is invalid."""
        if not isinstance(state, dict):
            raise RefusedPickleError("an array of joblib has no description")
        self.dtype, self.shape, self.order = (state.get(name) for name in ("dtype", "shape", "order"))
        self.numpy_array_alignment_bytes = state.get("numpy_array_alignment_bytes")
        if not isinstance(self.dtype, np.dtype) or self.order not in ("C", "F"):
            raise RefusedPickleError("an array of joblib has no dtype, or no order of its elements")
        if not isinstance(self.shape, tuple) or not all(type(size) is int and size >= 0 for size in self.shape):
            raise RefusedPickleError("an array of joblib has no shape, or a negative size")
        if self.count > MOST_ELEMENTS:
            raise RefusedPickleError("an array of joblib has an impossible size")

    @property
    def count(self) -> int:
        """The number of elements."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    def skip(self, stream: StrictStream) -> None:
        """Skip the bytes of the array."""
        self._skip_padding(stream)
        stream.skip(self.count * self.dtype.itemsize)

    def read(self, stream: StrictStream) -> Any:
        """Return the array in the machine's byte order, like joblib."""
        self._skip_padding(stream)
        missing = self.count * self.dtype.itemsize
        data = bytearray()
        while missing:  # memory is allocated only for bytes that exist
            part = stream.read(min(missing, CHUNK))
            data += part
            missing -= len(part)
        array = np.frombuffer(data, dtype=self.dtype) if self.dtype.itemsize else np.empty(self.count, self.dtype)
        shaped = array.reshape(self.shape[::-1]).transpose() if self.order == "F" else array.reshape(self.shape)
        native = self.dtype.newbyteorder("=")
        return shaped if native == self.dtype else shaped.astype(native)

    def _skip_padding(self, stream: StrictStream) -> None:
        if self.numpy_array_alignment_bytes is not None:
            stream.read(stream.read(1)[0])
