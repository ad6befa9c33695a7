"""Determines what a pickle would call, without calling it."""

import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, ClassVar

from .allowlist import Allowlist, Pair, Use
from .arrays import ArrayWrapper
from .compression import unpacked
from .errors import LimitError, RefusedPickleError
from .machine import Machine
from .streams import StrictStream

LONG_DATA = 256 * 1024
"""Size in bytes from which texts and blobs are skipped."""
TRAILING_BYTES = "there are bytes after its end"


@dataclass(frozen=True)
class Report:
    """The report on one pickle.

    Attributes:
        named: the classes and functions that it names, with their listed use, as far as it was parsed.
        calls: whether it calls one of them.
        problem: the reason why it cannot be parsed completely, or must not be loaded; None without a problem.
        is_limited: whether the problem is an exceeded limit.
        value: its value, if that is an integer.
    """

    named: dict[Pair, Use]
    calls: bool
    problem: str | None = None
    is_limited: bool = False
    value: int | None = None

    def pairs_with_use(self, use: Use) -> list[Pair]:
        """Return the names of this use, sorted."""
        return sorted(pair for pair, listed in self.named.items() if listed is use)


class StandIn:
    """Replaces an object, a class or a function."""

    def append(self, item: Any) -> None:
        """Discard an item of a list."""

    def extend(self, items: Any) -> None:
        """Discard items of a list."""

    def add(self, item: Any) -> None:
        """Discard an item of a set."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Discard an item of a mapping."""


class Long:
    """Replaces a long text or blob."""


class Reader(Machine):
    """Creates stand-ins for objects."""

    dispatch: ClassVar[dict[int, Any]] = dict(Machine.dispatch)

    def __init__(self, stream: StrictStream, allowed: Allowlist, outer: "Reader | None" = None) -> None:
        super().__init__(stream, allowed, outer)
        self.outermost: Reader = self if outer is None else outer.outermost
        self.calls = False

    def resolve(self, _pair: Pair, _use: Use) -> Any:
        """See `Machine.resolve`."""
        return StandIn()

    def call(self, _function: Any, _arguments: tuple[Any, ...]) -> Any:
        """See `Machine.call`."""
        self.outermost.calls = True
        return StandIn()

    def new(self, kind: Any, arguments: tuple[Any, ...], _named: dict[str, Any]) -> Any:
        """See `Machine.new`."""
        return self.call(kind, arguments)

    def set_state(self, made: Any, _state: Any) -> None:
        """See `Machine.set_state`."""
        if not isinstance(made, StandIn):
            raise RefusedPickleError(f"it sets attributes of a {type(made).__name__}")

    def array(self, wrapper: ArrayWrapper) -> Any:
        """See `Machine.array`."""
        wrapper.skip(self._stream)
        return StandIn()

    def persistent_load(self, _pid: Any) -> Any:
        """Return a stand-in for an object outside the pickle, such as a tensor of PyTorch. Plain loaders reject it."""
        return StandIn()

    def _text(self, width: str) -> None:
        self._data(width, lambda data: str(data, "utf-8", "surrogatepass"))

    def _data(self, width: str, made_of: Callable[[bytes], Any]) -> None:
        (size,) = struct.unpack(width, self.read(struct.calcsize(width)))
        frame = self._unframer.current_frame
        if size > LONG_DATA and (frame is None or frame.tell() == frame.getbuffer().nbytes):
            self._stream.skip(size)
            self.append(Long())
        else:
            self.append(made_of(self.read(size)))

    dispatch[pickle.BINBYTES[0]] = lambda self: self._data("<I", bytes)
    dispatch[pickle.BINBYTES8[0]] = lambda self: self._data("<Q", bytes)
    dispatch[pickle.BYTEARRAY8[0]] = lambda self: self._data("<Q", bytearray)
    dispatch[pickle.BINUNICODE[0]] = lambda self: self._text("<I")
    dispatch[pickle.BINUNICODE8[0]] = lambda self: self._text("<Q")


def examine(stream: StrictStream, allowed: Allowlist) -> Report:
    """Report what the pickle at the position of a stream would call. The stream is then after the pickle.

    Raises:
        OSError: the file cannot be read.
        MemoryError: the objects of the pickle need too much memory.
    """
    reader = Reader(stream, allowed)
    problem, is_limited, value = None, False, None
    try:
        value = reader.load()
    except (MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - the pickle module raises anything on hostile bytes
        problem, is_limited = one_line(error), isinstance(error, LimitError | RecursionError)
    named = {pair: allowed.use(pair) for pair in reader.named}
    return Report(named, reader.calls, problem, is_limited, value if isinstance(value, int) else None)


def examine_whole(file: BinaryIO, allowed: Allowlist) -> Report:
    """Report what a file with one pickle or joblib file, possibly compressed, would call.

    Raises the errors of `examine`.
    """
    try:
        stream = StrictStream(unpacked(file))
        report = examine(stream, allowed)
        if report.problem is None and not stream.is_at_end():
            return replace(report, problem=TRAILING_BYTES)
    except RefusedPickleError as error:
        return Report({}, calls=False, problem=one_line(error))
    return report


def one_line(error: Exception) -> str:
    """Return the message of an error, shortened."""
    message = " ".join(str(error).split())[:200]
    return (
        message
        if isinstance(error, RefusedPickleError) and message
        else f"{type(error).__name__}: {message}".removesuffix(": ")
    )
