"""What a pickle may ask for, whether stand-ins are in place of objects, as in a scan, or the objects themselves."""

import re
from typing import Any

import numpy as np

from .allowlist import Pair, Use
from .errors import RefusedPickleError

DTYPE = ("numpy", "dtype")
ENCODE = ("_codecs", "encode")
FILES = "input"
"""Where scikit-learn's vectorizers keep whether they are given texts or the names of files."""
CALLABLE = {Use.CLASS, Use.FUNCTION, Use.UNKNOWN, Use.DANGEROUS}
"""What is unknown or dangerous is refused as such, by its name."""
_TYPE = re.compile(r"[<>|=]?[?a-zA-Z]\d*")
_DUNDER = re.compile(r"__(?!(doc|name|qualname|module)__)\w+__")
_HARMLESS_FLAGS = 0x08 | 0x10 | 0x80
"""Needs to be filled, needs the interpreter, is aligned: none makes NumPy follow the bytes of an array as pointers."""
_SHORT_STATE, _LONG_STATE = 8, 9


def check_call(pair: Pair | None, use: Use, arguments: Any) -> None:
    """Raise RefusedPickleError where a pickle may not call this with these arguments.

    Args:
        pair: what is called, None for what the pickle has not named: an object that it made itself.
        use: of the pair.
        arguments: a tuple, if the pickle is in order.
    """
    if pair is None:
        raise RefusedPickleError("it calls an object, not a class or function that it names")
    if use not in CALLABLE:
        raise RefusedPickleError(f"it calls {'.'.join(pair)}, which models keep and pickles do not call")
    if not isinstance(arguments, tuple):
        raise RefusedPickleError(f"it calls {'.'.join(pair)} with arguments that are not a tuple")
    if pair == ENCODE and arguments[1:] != ("latin1",):
        raise RefusedPickleError("it encodes text in another way than pickles of bytes do")


def make_dtype(arguments: tuple[Any, ...]) -> np.dtype[Any]:
    """NumPy's dtype of the arguments that it pickles itself with. Raises RefusedPickleError for others."""
    if arguments[1:] not in {(), (False, True), (0, 1)} or not arguments or not isinstance(arguments[0], str):
        raise RefusedPickleError("it makes a dtype in another way than NumPy writes it")
    if not _TYPE.fullmatch(arguments[0]):
        raise RefusedPickleError(f"it makes a dtype of {arguments[0]!r:.40}, which is none")
    try:
        return np.dtype(arguments[0], copy=True)  # a copy, since a state may follow
    except (TypeError, ValueError) as error:
        raise RefusedPickleError(f"it makes a dtype that is none: {error}") from error


def check_state(made: Any, state: Any, *, is_named: bool) -> None:
    """Raise RefusedPickleError where a pickle may not set the state of this object to that.

    Args:
        made: the object.
        state: as the pickle gives it.
        is_named: the object is a class or function that the pickle names, rather than made.
    """
    if is_named:
        raise RefusedPickleError("it sets attributes of a class or function")
    if isinstance(made, np.dtype):
        _check_dtype_state(made, state)
    for part in state if isinstance(state, tuple) else (state,):
        if not isinstance(part, dict):
            continue
        if any(isinstance(key, str) and _DUNDER.fullmatch(key) for key in part):
            raise RefusedPickleError("it sets an attribute with a name that Python has a meaning for")
        if isinstance(part.get(FILES), str) and part[FILES] in {"file", "filename"}:
            raise RefusedPickleError("it reads the files that requests name, as a vectorizer of files")


def _check_dtype_state(dtype: np.dtype[Any], state: Any) -> None:
    """NumPy trusts the sizes and pointers of a state, and would follow the bytes of an array."""
    if not isinstance(state, tuple) or len(state) not in {_SHORT_STATE, _LONG_STATE}:
        raise _bad_dtype("its state has another length")
    version, order, base, names, fields, size, alignment, flags = state[:_SHORT_STATE]
    if version not in {3, 4} or order not in {"<", ">", "=", "|"} or type(flags) is not int:
        raise _bad_dtype("its state is of another version")
    if base is not None:
        raise _bad_dtype("it has arrays as elements")
    if flags & ~_HARMLESS_FLAGS and not (dtype.hasobject and names is None and flags == dtype.flags):
        raise _bad_dtype("its flags are not those of its type")
    if names is None:
        if fields is not None or size not in {-1, dtype.itemsize} or alignment not in {-1, dtype.alignment}:
            raise _bad_dtype("its size is not that of its type")
    else:
        _check_fields(dtype, names, fields, size, alignment)


def _check_fields(dtype: np.dtype[Any], names: Any, fields: Any, size: Any, alignment: Any) -> None:
    if dtype.kind != "V" or not isinstance(names, tuple) or not isinstance(fields, dict) or set(names) != set(fields):
        raise _bad_dtype("its fields are not those that it names")
    if type(size) is not int or size != dtype.itemsize or type(alignment) is not int or not 0 < alignment <= size:
        raise _bad_dtype("its size is not that of its type")
    for field in fields.values():
        inner, offset = field if isinstance(field, tuple) and len(field) == 2 else (None, None)  # noqa: PLR2004
        if not isinstance(inner, np.dtype) or inner.hasobject or type(offset) is not int:
            raise _bad_dtype("a field is of no plain type")
        if not 0 <= offset <= size - inner.itemsize:
            raise _bad_dtype("a field lies outside")


def _bad_dtype(reason: str) -> RefusedPickleError:
    return RefusedPickleError(f"it sets a dtype in another way than NumPy writes it: {reason}")
