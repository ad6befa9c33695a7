"""Reads pickles without running them: every global becomes an inert class that only records its arguments.

Supports the arrays that joblib writes between pickle opcodes, and skips their bytes unless they are few.
"""

import pickle
import struct
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self, cast

from .bounded_stream import BoundedStream, unpacked

SMALL_ARRAY = 64 * 1024
"""Size in bytes up to which the values of an array are kept, to read labels."""
UNPACKED_LIMIT = 4 * 1024**3
"""Maximum number of bytes to which a compressed file may decompress."""
PERSISTENT = "<elsewhere>"
"""Name of the class of objects outside the pickle."""
MAX_GLOBALS = 10_000
"""Maximum number of different classes and functions in one file; models have some dozens."""


class Inert:
    """Represents an object of any class.

    Attributes:
        made_by: dotted name of the global that would have created it.
        arguments: arguments of that call.
        state: the state that would have been set.
        items: items that would have been added to it.
    """

    made_by = ""

    def __new__(cls, *arguments: Any, **_named: Any) -> Self:
        """Record the arguments; pickle creates objects in several ways."""
        made = super().__new__(cls)
        made.arguments = arguments
        made.state = None
        made.items = []
        made.array_bytes = None
        return made

    def __init__(self, *_arguments: Any, **_named: Any) -> None:
        self.arguments: tuple[Any, ...]
        self.state: Any
        self.items: list[Any]
        self.array_bytes: bytes | None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, item: Any) -> None:
        """Record an item of a list."""
        self.items.append(item)

    def extend(self, items: Any) -> None:
        """Record items of a list."""
        self.items.extend(items)

    def add(self, item: Any) -> None:
        """Record an item of a set."""
        self.items.append(item)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def __hash__(self) -> int:
        return id(self)

    def attribute(self, name: str) -> Any:
        """Return an attribute from the state, or None."""
        state = self.state[0] if isinstance(self.state, tuple) and self.state else self.state
        return state.get(name) if isinstance(state, dict) else None


Globals = dict[tuple[str, str], type[Inert]]
"""Inert classes by module and name."""


def read_pickle(path: Path, *, limit: int = UNPACKED_LIMIT) -> Any:
    """Return the object graph of a pickle or joblib file, with inert objects.

    Args:
        path: the file.
        limit: maximum number of bytes to which it may decompress.

    Raises:
        ValueError: the file is incomplete, or decompresses to more than the limit.
        Exception: any error of the pickle module on an invalid stream.
    """
    with path.open("rb") as file:
        return _Reader(BoundedStream(unpacked(file), limit)).load()


def read_pickles(file: BinaryIO, count: int, *, limit: int = UNPACKED_LIMIT) -> list[Any]:
    """Return the object graphs of consecutive pickles with inert objects; fewer than `count` if the file has no more.

    Raises the errors of `read_pickle` for the first one.
    """
    stream, objects = BoundedStream(unpacked(file), limit), list[Any]()
    for _ in range(count):
        try:
            objects.append(_Reader(stream).load())
        except Exception:  # the pickle module raises any exception on other data
            if not objects:
                raise
            break
    return objects


def class_name(value: Any) -> str | None:
    """Return the dotted name of an inert object's class."""
    if not isinstance(value, Inert):
        return None
    if value.made_by == "copyreg._reconstructor" and value.arguments:
        return getattr(value.arguments[0], "made_by", None)
    return value.made_by


_PythonUnpickler: Any = pickle._Unpickler  # noqa: SLF001 - its dispatch can be extended


class _Reader(_PythonUnpickler):  # type: ignore[misc] # typeshed does not know it
    """An unpickler that resolves no global, and reads joblib's arrays from the stream."""

    dispatch: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, file: BoundedStream, known: Globals | None = None) -> None:
        super().__init__(cast("BinaryIO", file))
        self._stream = file
        self._globals: Globals = {} if known is None else known

    def find_class(self, module: str, name: str) -> Any:
        """Return an inert class in place of the real one. Classes are reused, because each takes a kilobyte."""
        made_by = f"{module}.{name}"
        if not made_by.isprintable():
            raise ValueError(f"the pickle names {made_by!r}, which cannot be a class")
        if (module, name) not in self._globals:
            if len(self._globals) == MAX_GLOBALS:
                raise ValueError(f"the pickle names more than {MAX_GLOBALS} classes and functions")
            self._globals[module, name] = type("InertClass", (Inert,), {"made_by": made_by})
        return self._globals[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Return an object that represents one outside the pickle; its arguments identify it.

        Before PyTorch 1.6, the class of a module is written this way with its source: ("module", class, file, source).
        """
        if isinstance(pid, tuple) and pid[:1] == ("module",) and len(pid) > 1 and isinstance(pid[1], type):
            return pid[1]
        made = Inert(*(pid if isinstance(pid, tuple) else (pid,)))
        made.made_by = PERSISTENT
        return made

    def get_extension(self, _code: int) -> None:
        """Reject extension codes, which are registered in this process."""
        raise ValueError("the pickle uses extension codes, which no model needs")

    def load_bytearray8(self) -> None:
        """Read before allocating: `pickle` allocates the declared size before it checks that the bytes exist."""
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def load_build(self) -> None:
        """Set an object's state. A joblib array is followed by its bytes."""
        super().load_build()
        made = self.stack[-1]
        if class_name(made) in _ARRAY_WRAPPERS and isinstance(made, Inert):
            self._take_array(made)

    dispatch[pickle.BUILD[0]] = load_build

    def _take_array(self, wrapper: Inert) -> None:
        typestr = dtype_string(wrapper.attribute("dtype"))
        if typestr is None or typestr.lstrip("<>|=").startswith("O"):
            wrapper.items.append(_Reader(self._stream, self._globals).load())  # objects follow as a separate pickle
            return
        if wrapper.attribute("numpy_array_alignment_bytes") is not None:
            self._stream.skip(self._stream.read(1)[0])
        size = _itemsize(typestr)
        for dimension in wrapper.attribute("shape") or ():
            size *= int(dimension)
            if size > UNPACKED_LIMIT:
                raise ValueError(f"an array declares more than {UNPACKED_LIMIT} bytes")
        if size > SMALL_ARRAY:
            self._stream.skip(size)
        else:
            wrapper.array_bytes = self._stream.read(size)


_ARRAY_WRAPPERS = {"joblib.numpy_pickle.NumpyArrayWrapper", "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper"}


def dtype_string(dtype: Any) -> str | None:
    """Return the string that created an inert numpy dtype, such as `f8` or `U10`; `>f8` with swapped bytes."""
    if not isinstance(dtype, Inert) or not dtype.arguments:
        return None
    typestr: str = dtype.arguments[0]
    swapped = isinstance(typestr, str) and isinstance(dtype.state, tuple) and dtype.state[1:2] == (">",)
    return f">{typestr}" if swapped else typestr


def _itemsize(typestr: str) -> int:
    bare = typestr.lstrip("<>|=")
    size = int(bare[1:] or 1)
    return size * 4 if bare.startswith("U") else size
