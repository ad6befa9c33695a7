"""The rules for operations of a pickle, both for stand-ins, as in a scan, and for real objects."""

import re
from typing import Any

import numpy as np

from .allowlist import Pair, Use
from .errors import RefusedPickleError

DTYPE = ("numpy", "dtype")
ENCODE = ("_codecs", "encode")
FILES = "input"
"""The attribute of scikit-learn's vectorizers that selects texts or names of files as input."""
CALLABLE = {Use.CLASS, Use.FUNCTION, Use.UNKNOWN, Use.DANGEROUS}
"""Unknown and dangerous names are rejected elsewhere, by name."""
_TYPE = re.compile(r"[<>|=]?[?a-zA-Z]\d*")
_DUNDER = re.compile(r"__(?!(doc|name|qualname|module)__)\w+__")
_HARMLESS_FLAGS = 0x08 | 0x10 | 0x80
"""Needs to be filled, needs the interpreter, is aligned: with these, NumPy does not treat bytes of an array as
pointers.
"""
_SHORT_STATE, _LONG_STATE = 8, 9


def check_call(pair: Pair | None, use: Use, arguments: Any) -> None:
    """Raise RefusedPickleError if a pickle must not make this call.

    Args:
        pair: the called name; None for an object that the pickle has created instead of named.
        use: of the pair.
        arguments: a tuple, if the pickle is valid.
    """
    if pair is None:
        raise RefusedPickleError("it calls an object, not a class or function that it names")
    if use not in CALLABLE:
        raise RefusedPickleError(f"it calls {'.'.join(pair)}, which models use as a value and pickles do not call")
    if not isinstance(arguments, tuple):
        raise RefusedPickleError(f"it calls {'.'.join(pair)} with arguments that are not a tuple")
    if pair == ENCODE and arguments[1:] != ("latin1",):
        raise RefusedPickleError("it encodes text differently from pickles of bytes")


def make_dtype(arguments: tuple[Any, ...]) -> np.dtype[Any]:
    """Return a dtype for the arguments with which NumPy pickles it. Raises RefusedPickleError for others."""
    if arguments[1:] not in {(), (False, True), (0, 1)} or not arguments or not isinstance(arguments[0], str):
        raise RefusedPickleError("it creates a dtype differently from NumPy")
    if not _TYPE.fullmatch(arguments[0]):
        raise RefusedPickleError(f"it creates a dtype from {arguments[0]!r:.40}, which is not valid")
    try:
        return np.dtype(arguments[0], copy=True)  # a copy, because a state may follow
    except (TypeError, ValueError) as error:
        raise RefusedPickleError(f"it creates an invalid dtype: {error}") from error


def check_state(made: Any, state: Any, *, is_named: bool) -> None:
    """Raise RefusedPickleError if a pickle must not set this state of an object.

    Args:
        made: the object.
        state: of the pickle.
        is_named: whether the object is a class or function that the pickle names.
    """
    if is_named:
        raise RefusedPickleError("it sets attributes of a class or function")
    if isinstance(made, np.dtype):
        _check_dtype_state(made, state)
    for part in state if isinstance(state, tuple) else (state,):
        if not isinstance(part, dict):
            continue
        if any(isinstance(key, str) and _DUNDER.fullmatch(key) for key in part):
            raise RefusedPickleError("it sets an attribute with a name that is special in Python")
        if isinstance(part.get(FILES), str) and part[FILES] in {"file", "filename"}:
            raise RefusedPickleError("it is a vectorizer of files, which reads any file that a request names")


def _check_dtype_state(dtype: np.dtype[Any], state: Any) -> None:
    """Check the state of a dtype: NumPy trusts its sizes and pointers, and would use bytes of an array as pointers."""
    if not isinstance(state, tuple) or len(state) not in {_SHORT_STATE, _LONG_STATE}:
        raise _bad_dtype("its state has a wrong length")
    version, order, base, names, fields, size, alignment, flags = state[:_SHORT_STATE]
    if version not in {3, 4} or order not in {"<", ">", "=", "|"} or type(flags) is not int:
        raise _bad_dtype("its state has a wrong version")
    if base is not None:
        raise _bad_dtype("it has arrays as elements")
    if flags & ~_HARMLESS_FLAGS and not (dtype.hasobject and names is None and flags == dtype.flags):
        raise _bad_dtype("its flags do not match its type")
    if names is None:
        if fields is not None or size not in {-1, dtype.itemsize} or alignment not in {-1, dtype.alignment}:
            raise _bad_dtype("its size does not match its type")
    else:
        _check_fields(dtype, names, fields, size, alignment)


def _check_fields(dtype: np.dtype[Any], names: Any, fields: Any, size: Any, alignment: Any) -> None:
    if dtype.kind != "V" or not isinstance(names, tuple) or not isinstance(fields, dict) or set(names) != set(fields):
        raise _bad_dtype("its fields do not match their names")
    if type(size) is not int or size != dtype.itemsize or type(alignment) is not int or not 0 < alignment <= size:
        raise _bad_dtype("its size does not match its type")
    for field in fields.values():
        inner, offset = field if isinstance(field, tuple) and len(field) == 2 else (None, None)  # noqa: PLR2004
        if not isinstance(inner, np.dtype) or inner.hasobject or type(offset) is not int:
            raise _bad_dtype("a field does not have a plain type")
        if not 0 <= offset <= size - inner.itemsize:
            raise _bad_dtype("a field is outside its element")


def _bad_dtype(reason: str) -> RefusedPickleError:
    return RefusedPickleError(f"it sets a dtype differently from NumPy: {reason}")
