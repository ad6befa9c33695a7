"""Reads pickles without running them: every global becomes an inert class that only remembers what it was given.

Understands the arrays that joblib writes between pickle opcodes, and skips their bytes unless they are few.
"""

import bz2
import gzip
import io
import lzma
import pickle
import zlib
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self, cast

SMALL_ARRAY = 64 * 1024
"""Bytes up to which an array's values are kept, to read labels from."""
UNPACKED_LIMIT = 4 * 1024**3
"""Bytes a compressed file may unpack to."""
CHUNK = 1024 * 1024


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
        return _Reader(_Bounded(_unpacked(file), limit)).load()


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

    def __init__(self, file: "_Bounded") -> None:
        super().__init__(cast("BinaryIO", file))
        self._stream = file

    def find_class(self, module: str, name: str) -> Any:
        """An inert class in place of the real one."""
        return type("InertClass", (Inert,), {"made_by": f"{module}.{name}"})

    def persistent_load(self, _pid: Any) -> Any:
        """An object that lies elsewhere: unknown."""
        return Inert()

    def get_extension(self, _code: int) -> None:
        """Extension registries name globals of this process."""
        raise ValueError("the pickle uses extension codes, which no model does")

    def load_build(self) -> None:
        """Set an object's state; an array of joblib's is followed by its bytes."""
        super().load_build()
        made = self.stack[-1]
        if class_name(made) in _ARRAY_WRAPPERS and isinstance(made, Inert):
            self._take_array(made)

    dispatch[pickle.BUILD[0]] = load_build

    def _take_array(self, wrapper: Inert) -> None:
        if wrapper.attribute("numpy_array_alignment_bytes") is not None:
            self._stream.skip(self._stream.read(1)[0])
        typestr = dtype_string(wrapper.attribute("dtype"))
        if typestr is None or typestr.lstrip("<>|=").startswith("O"):
            wrapper.items.append(_Reader(self._stream).load())  # objects follow as a pickle of their own
            return
        size = _itemsize(typestr)
        for dimension in wrapper.attribute("shape") or ():
            size *= int(dimension)
        if size > SMALL_ARRAY:
            self._stream.skip(size)
        else:
            wrapper.array_bytes = self._stream.read(size)


_ARRAY_WRAPPERS = {"joblib.numpy_pickle.NumpyArrayWrapper", "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper"}


def dtype_string(dtype: Any) -> str | None:
    """The string that an inert numpy dtype was made with, such as `f8` or `<U10`."""
    return dtype.arguments[0] if isinstance(dtype, Inert) and dtype.arguments else None


def _itemsize(typestr: str) -> int:
    bare = typestr.lstrip("<>|=")
    size = int(bare[1:] or 1)
    return size * 4 if bare.startswith("U") else size


class _Bounded:
    """A stream that never reads further than its end, however much is asked for."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._read = 0

    def read(self, size: int) -> bytes:
        """Exactly so many bytes. Raises ValueError when fewer are left, or the limit is passed."""
        if size < 0:
            raise ValueError("the stream asks for a negative number of bytes")
        self._count(size)
        parts, missing = [], size
        while missing > 0:
            part = self._stream.read(min(missing, CHUNK))
            if not part:
                raise ValueError(f"the stream ends {missing} bytes early")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def readline(self) -> bytes:
        """One line, of bounded length."""
        line = self._stream.readline(CHUNK)
        self._count(len(line))
        return line

    def readinto(self, buffer: bytearray) -> int:
        """Fill the buffer; pickle asks for it when a bytearray follows."""
        data = self.read(len(buffer))
        buffer[:] = data
        return len(data)

    def skip(self, size: int) -> None:
        """Pass over bytes, holding no more than a chunk of them. Raises as `read`."""
        if size < 0:
            raise ValueError("an array has a negative size")
        for begin in range(0, size, CHUNK):
            self.read(min(CHUNK, size - begin))

    def _count(self, size: int) -> None:
        self._read += size
        if self._read > self._limit:
            raise ValueError(f"the file unpacks to more than {self._limit} bytes")


def _unpacked(file: BinaryIO) -> BinaryIO:
    """Joblib compresses whole files; the first bytes tell with what."""
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if magic.startswith(b"BZh"):
        return cast("BinaryIO", bz2.BZ2File(file))
    if magic.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        return cast("BinaryIO", lzma.LZMAFile(file))
    if magic[:1] == b"\x78" and magic[1:2] in {b"\x01", b"\x5e", b"\x9c", b"\xda"}:
        return cast("BinaryIO", io.BufferedReader(_Zlib(file)))
    if magic.startswith(b"\x04\x22\x4d\x18"):
        raise ValueError("it is compressed with lz4, which is not read: save it with zlib or uncompressed")
    return file


class _Zlib(io.RawIOBase):
    """A zlib stream, unpacked as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = zlib.decompressobj()
        self._packed = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Unpack at most as much as fits."""
        while not self._unpacker.eof:
            self._packed = self._packed or self._file.read(CHUNK)
            data = self._unpacker.decompress(self._packed, len(buffer))
            self._packed = self._unpacker.unconsumed_tail
            if data:
                buffer[: len(data)] = data
                return len(data)
            if not self._packed and not (more := self._file.read(CHUNK)):
                return 0
            self._packed = self._packed or more
        return 0
