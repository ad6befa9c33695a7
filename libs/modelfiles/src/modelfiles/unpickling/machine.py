"""The only parser of pickles: Python's own, with checks of each use of a class or function, and with joblib's arrays.

Python's parser in C accepts some streams that this one rejects; Klever does not use it.
"""

import pickle
import struct
from typing import Any, BinaryIO, ClassVar, cast

import numpy as np

from .allowlist import Allowlist, Pair, Use, current_name
from .arrays import WRAPPERS, ArrayWrapper
from .errors import LimitError, RefusedPickleError
from .rules import DTYPE, check_call, check_state, make_dtype
from .streams import StrictStream

MAX_NAMES = 10_000
"""Maximum number of classes and functions in a file; models have some dozens."""
NEWEST_WITH_OLD_NAMES = 2
"""The last protocol in which Python 2 wrote pickles."""

_PythonUnpickler: Any = pickle._Unpickler  # noqa: SLF001 - its dispatch can be extended


class Machine(_PythonUnpickler):  # type: ignore[misc] # typeshed does not know it
    """Executes the opcodes. Subclasses define `resolve`, `call`, `new` and `set_state`.

    Attributes:
        named: the objects for the classes and functions that the pickle has named so far.
        pairs: their names by the identity of the objects.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, stream: StrictStream, allowed: Allowlist, outer: "Machine | None" = None) -> None:
        super().__init__(cast("BinaryIO", stream))
        self._stream = stream
        self._allowed = allowed
        self._is_nested = outer is not None
        self.named: dict[Pair, Any] = {} if outer is None else outer.named
        self.pairs: dict[int, Pair] = {} if outer is None else outer.pairs

    def resolve(self, pair: Pair, use: Use) -> Any:
        """Return the object for a class or function."""
        raise NotImplementedError

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """Return the result of a call."""
        raise NotImplementedError

    def new(self, kind: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Return an object that is created without initialisation."""
        raise NotImplementedError

    def set_state(self, made: Any, state: Any) -> None:
        """Set the state of an object, which is on the stack."""
        raise NotImplementedError

    def array(self, wrapper: ArrayWrapper) -> Any:
        """Return the object for an array whose bytes follow in the stream."""
        raise NotImplementedError

    def find_class(self, module: str, name: str) -> Any:
        """Return the object for a class or function; the same for each occurrence."""
        pair = (module, name) if self.proto > NEWEST_WITH_OLD_NAMES else current_name((module, name))
        if pair not in self.named:
            if len(self.named) == MAX_NAMES:
                raise LimitError(f"it names more than {MAX_NAMES} classes and functions")
            if not all(part.isidentifier() for part in ".".join(pair).split(".")):
                raise RefusedPickleError(f"it names {'.'.join(pair)!r:.80}, which cannot be a class")
            # Joblib reads the objects of an array as a pickle without its own arrays.
            is_array = pair in WRAPPERS and not self._is_nested
            self.named[pair] = ArrayWrapper if is_array else self.resolve(pair, self._allowed.use(pair))
            self.pairs[id(self.named[pair])] = pair
        return self.named[pair]

    def get_extension(self, _code: int) -> None:
        """Reject extension codes, which are registered in this process."""
        raise RefusedPickleError("it uses extension codes, which no model needs")

    def load_reduce(self) -> None:
        """REDUCE: call a function."""
        arguments = self.stack.pop()
        self.stack[-1] = self._called(self.stack[-1], arguments)

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_newobj(self) -> None:
        """NEWOBJ: create an object of a class without initialisation."""
        arguments = self.stack.pop()
        self.stack[-1] = self._made(self.stack[-1], arguments, {})

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_newobj_ex(self) -> None:
        """NEWOBJ_EX: like NEWOBJ, with named arguments."""
        named, arguments = self.stack.pop(), self.stack.pop()
        if not isinstance(named, dict):
            raise RefusedPickleError("its named arguments are not a dictionary")
        self.stack[-1] = self._made(self.stack[-1], arguments, named)

    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex

    def load_build(self) -> None:
        """BUILD: set an object's state. A joblib array is followed by its bytes."""
        state = self.stack.pop()
        made = self.stack[-1]
        if isinstance(made, ArrayWrapper):
            made.set(state)
            self.stack[-1] = self._array(made)
            return
        check_state(made, state, is_named=self._pair(made) is not None)
        if isinstance(made, np.dtype):
            made.__setstate__(state)  # type: ignore[attr-defined] # typeshed does not know it
        else:
            self.set_state(made, state)

    dispatch[pickle.BUILD[0]] = load_build

    def load_bytearray8(self) -> None:
        """BYTEARRAY8: read before allocating; `pickle` allocates the declared size."""
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def _instantiate(self, klass: Any, args: Any) -> None:
        """INST and OBJ: call a class."""
        self.append(self._called(klass, tuple(args)))

    def _called(self, function: Any, arguments: Any) -> Any:
        pair = self._checked(function, arguments)
        if pair == DTYPE:
            return make_dtype(arguments)
        return ArrayWrapper() if function is ArrayWrapper else self.call(function, arguments)

    def _made(self, kind: Any, arguments: Any, named: dict[str, Any]) -> Any:
        self._checked(kind, arguments)
        return ArrayWrapper() if kind is ArrayWrapper else self.new(kind, arguments, named)

    def _checked(self, function: Any, arguments: Any) -> Pair | None:
        pair = self._pair(function)
        check_call(pair, self._allowed.use(pair) if pair else Use.UNKNOWN, arguments)
        return pair

    def _pair(self, value: Any) -> Pair | None:
        return self.pairs.get(id(value))

    def _array(self, wrapper: ArrayWrapper) -> Any:
        frame = self._unframer.current_frame
        if frame is not None and frame.read(1):
            raise RefusedPickleError("an array of joblib is inside a frame")
        self._unframer.current_frame = None
        if wrapper.dtype.hasobject:
            return type(self)(self._stream, self._allowed, self).load()
        return self.array(wrapper)
