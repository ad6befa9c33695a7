"""The inputs and outputs that the user declares: `signature` in the ormbfile.yaml beside the model's directory.

Some formats contain no names, types or shapes of tensors, so that users must declare them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from kleverserve.errors import ModelLoadError
from kleverserve.tensors import NUMPY_TYPES, Datatype

from .files import one_line

FILE_NAME = "ormbfile.yaml"
_DATATYPES = {str(dtype): datatype for datatype, dtype in NUMPY_TYPES.items() if dtype.kind != "O"}
_TEXT = frozenset({"str", "string", "object", "bytes"})


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared tensor; omitted fields are None."""

    name: str
    datatype: Datatype | None = None
    shape: tuple[int, ...] | None = None
    """-1 is a dimension of any length."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The declared signature; empty if nothing is declared."""

    inputs: tuple[Declared, ...] = ()
    outputs: tuple[Declared, ...] = ()


def declared_signature(directory: Path) -> Signature:
    """Read the signature in the ormbfile.yaml beside the model's `directory`; empty if the file does not exist.

    Raises:
        ModelLoadError: the file is not YAML, or its signature is not a list of named tensors.
    """
    file = directory.parent / FILE_NAME
    if not file.is_file():
        return Signature()
    try:
        document = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelLoadError(f"{file} is not YAML: {one_line(error)}") from error
    signature = _mapping(document).get("signature")
    return Signature(*(_tensors(_mapping(signature).get(side), f"{file}: signature.{side}") for side in _SIDES))


_SIDES = ("inputs", "outputs")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _tensors(entries: object, where: str) -> tuple[Declared, ...]:
    if entries is None:
        return ()
    if not isinstance(entries, list) or not all(isinstance(_mapping(entry).get("name"), str) for entry in entries):
        raise ModelLoadError(f"{where} must be a list of tensors, each with a name")
    return tuple(_tensor(entry, where) for entry in entries)


def _tensor(entry: Mapping[str, Any], where: str) -> Declared:
    # The platform and its predecessors write dType and size; users also write dtype.
    dtype, size = entry.get("dType", entry.get("dtype")), entry.get("size", entry.get("shape"))
    name = entry["name"]
    return Declared(
        name,
        None if dtype is None else _datatype(str(dtype), f"{where}: {name}"),
        None if size is None else _shape(size, f"{where}: {name}"),
    )


def _datatype(name: str, where: str) -> Datatype:
    if name in _TEXT:
        return Datatype.BYTES
    try:
        return _DATATYPES[str(np.dtype(name))]
    except (TypeError, KeyError) as error:
        raise ModelLoadError(f"{where}: {name} is no type of tensors; use one like float32, int64 or str") from error


def _shape(size: object, where: str) -> tuple[int, ...]:
    if not isinstance(size, Sequence) or isinstance(size, str):
        raise ModelLoadError(f"{where}: the size must be a list of lengths, -1 for any")
    return tuple(length if isinstance(length, int) else -1 for length in size)
