"""Reads pickles without running them: every global becomes an inert class that only remembers what it was given.

Understands the arrays that joblib writes between pickle opcodes, and skips their bytes unless they are few.
"""

import pickle
import struct
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self, cast

from .bounded_stream import BoundedStream, unpacked

SMALL_ARRAY = 64 * 1024
"""Bytes up to which an array's values are kept, to read labels from."""
UNPACKED_LIMIT = 4 * 1024**3
"""Bytes a compressed file may unpack to."""
PERSISTENT = "<elsewhere>"
"""What stands for an object outside the pickle was made by."""
MAX_GLOBALS = 10_000
"""Different classes and functions that one file may name; real models name some dozens."""


class Inert:
    """Stands for an object of any class.

    Attributes:
        made_by: dotted name of the global that would have made it.
        arguments: what it would have been called with.
        state: what it would have been set to.
        items: what would have been appended to it or set in it.
    """

    made_by = ""

    def __new__(cls, *arguments: Any, **_named: Any) -> Self:
        """Remember the arguments; pickle makes objects in more than one way."""
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
        """What a list subclass is given."""
        self.items.append(item)

    def extend(self, items: Any) -> None:
        """What a list subclass is given at once."""
        self.items.extend(items)

    def add(self, item: Any) -> None:
        """What a set subclass is given."""
        self.items.append(item)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def __hash__(self) -> int:
        return id(self)

    def attribute(self, name: str) -> Any:
        """An attribute from the state, or None."""
        state = self.state[0] if isinstance(self.state, tuple) and self.state else self.state
        return state.get(name) if isinstance(state, dict) else None


Globals = dict[tuple[str, str], type[Inert]]
"""Inert classes by module and name."""


def read_pickle(path: Path, *, limit: int = UNPACKED_LIMIT) -> Any:
    """The object graph of a pickle or joblib file, inert.

    Args:
        path: the file.
        limit: bytes that it may unpack to.

    Raises:
        ValueError: the file ends early, or unpacks to too much.
        Exception: whatever the pickle module raises on a stream that is none.
    """
    with path.open("rb") as file:
        return _Reader(BoundedStream(unpacked(file), limit)).load()


def read_pickles(file: BinaryIO, count: int, *, limit: int = UNPACKED_LIMIT) -> list[Any]:
    """The object graphs of so many pickles, one behind the other, inert; fewer where the file has no more.

    Raises as `read_pickle`, for the first one.
    """
    stream, objects = BoundedStream(unpacked(file), limit), list[Any]()
    for _ in range(count):
        try:
            objects.append(_Reader(stream).load())
        except Exception:  # the pickle module raises anything where no pickle begins
            if not objects:
                raise
            break
    return objects


def class_name(value: Any) -> str | None:
    """The dotted name of an inert object's class."""
    if not isinstance(value, Inert):
        return None
    if value.made_by == "copyreg._reconstructor" and value.arguments:
        return getattr(value.arguments[0], "made_by", None)
    return value.made_by


_PythonUnpickler: Any = pickle._Unpickler  # noqa: SLF001 - its dispatch can be extended


class _Reader(_PythonUnpickler):  # type: ignore[misc] # typeshed does not know it
    """Resolves no global; takes joblib's arrays out of the stream."""

    dispatch: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, file: BoundedStream, known: Globals | None = None) -> None:
        super().__init__(cast("BinaryIO", file))
        self._stream = file
        self._globals: Globals = {} if known is None else known

    def find_class(self, module: str, name: str) -> Any:
        """An inert class in place of the real one, the same each time: a class takes a kilobyte."""
        made_by = f"{module}.{name}"
        if not made_by.isprintable():
            raise ValueError(f"the pickle names {made_by!r}, which can be no class")
        if (module, name) not in self._globals:
            if len(self._globals) == MAX_GLOBALS:
                raise ValueError(f"the pickle names more than {MAX_GLOBALS} classes and functions")
            self._globals[module, name] = type("InertClass", (Inert,), {"made_by": made_by})
        return self._globals[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """An object that lies elsewhere; what it is known by are its arguments.

        Before PyTorch 1.6 a module's class is written so, with its source: ("module", class, file, source).
        """
        if isinstance(pid, tuple) and pid[:1] == ("module",) and len(pid) > 1 and isinstance(pid[1], type):
            return pid[1]
        made = Inert(*(pid if isinstance(pid, tuple) else (pid,)))
        made.made_by = PERSISTENT
        return made

    def get_extension(self, _code: int) -> None:
        """Extension registries name globals of this process."""
        raise ValueError("the pickle uses extension codes, which no model does")

    def load_bytearray8(self) -> None:
        """Read before making room: `pickle` allocates what the file declares before it checks that the bytes exist."""
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def load_build(self) -> None:
        """Set an object's state; an array of joblib's is followed by its bytes."""
        super().load_build()
        made = self.stack[-1]
        if class_name(made) in _ARRAY_WRAPPERS and isinstance(made, Inert):
            self._take_array(made)

    dispatch[pickle.BUILD[0]] = load_build

    def _take_array(self, wrapper: Inert) -> None:
        typestr = dtype_string(wrapper.attribute("dtype"))
        if typestr is None or typestr.lstrip("<>|=").startswith("O"):
            wrapper.items.append(_Reader(self._stream, self._globals).load())  # objects follow as a pickle of their own
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
    """The string that an inert numpy dtype was made with, such as `f8` or `U10`; `>f8` with swapped bytes."""
    if not isinstance(dtype, Inert) or not dtype.arguments:
        return None
    typestr: str = dtype.arguments[0]
    swapped = isinstance(typestr, str) and isinstance(dtype.state, tuple) and dtype.state[1:2] == (">",)
    return f">{typestr}" if swapped else typestr


def _itemsize(typestr: str) -> int:
    bare = typestr.lstrip("<>|=")
    size = int(bare[1:] or 1)
    return size * 4 if bare.startswith("U") else size
