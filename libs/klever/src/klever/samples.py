"""Samples for the verification of a conversion: parsing, and transfer of large ones.

Small samples are part of the request. Requests and events have a maximum size, so large samples are attached to the
model in its registry as an .npz file, which the request names by digest.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kleverproto.conversions import INLINE_SAMPLES_BYTES, SAMPLES_BYTES, SAMPLES_TYPE, Conversion
from kleverproto.models import ModelSpec
from ormb.client import OrmbClient
from ormb.reference import Reference

from .errors import InputError
from .values import read_json

FILE = "samples.npz"
HOW = (
    "write --sample <name>=<JSON>, <name>=@<file.npy>, or @<file> with all inputs: .npz, JSON by name, or a V2 request"
)
TYPES = {"FP16": "float16", "FP32": "float32", "FP64": "float64", "BOOL": "bool", "BYTES": "str"}

Samples = dict[str, Any]
"""Arrays, numbers, strings or nested lists, by the name of the input."""


def read_samples(texts: Sequence[str]) -> Samples:
    """Parse all samples of a command line. Raises InputError."""
    samples: Samples = {}
    for text in texts:
        parsed = _parsed(text)
        if twice := samples.keys() & parsed.keys():
            raise InputError(f"there are two samples for {', '.join(sorted(twice))}: only one per input is allowed")
        samples |= parsed
    return samples


async def with_samples(
    wanted: Conversion, samples: Mapping[str, Any], model: ModelSpec, client: OrmbClient
) -> Conversion:
    """Return the conversion with samples: small ones in the request, large ones attached to the model.

    Raises:
        InputError: they are too large, or not arrays.
        OrmbError: the registry rejects them.
    """
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in samples.items()}
    if _is_small(plain):
        return wanted.replace(samples=plain)
    reference = Reference(model.registry, model.ref.repository, digest=model.digest)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / FILE
        np.savez(path, **{name: _array(name, value) for name, value in samples.items()})  # type: ignore[arg-type]
        if (size := path.stat().st_size) > SAMPLES_BYTES:
            raise InputError(f"the samples have {size} bytes, more than {SAMPLES_BYTES}: a few rows are enough")
        async with client:
            digest = await client.attach(reference, [path], SAMPLES_TYPE, {})
    return wanted.replace(samples_digest=digest)


def _is_small(plain: Mapping[str, Any]) -> bool:
    """Return whether they can be part of a request: small, and without NaN, which JSON does not support."""
    try:
        return len(json.dumps(plain, allow_nan=False)) <= INLINE_SAMPLES_BYTES
    except ValueError:
        return False


def _parsed(text: str) -> Samples:
    if text.startswith("@"):
        value = _read(Path(text[1:]))
    elif text.lstrip().startswith("{"):
        value = read_json(text, "the samples")
    else:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{text!r} is not a sample: {HOW}")
        value = _read(Path(value[1:])) if value.startswith("@") else read_json(value, f"input {name}")
        if isinstance(value, dict):
            raise InputError(f"{text!r} contains several inputs: write the file without a name")
        return {name: value}
    if not isinstance(value, dict):
        raise InputError(f"{text!r} does not name its input: {HOW}")
    return _v2_inputs(value["inputs"]) if isinstance(value.get("inputs"), list) else value


def _read(path: Path) -> Any:
    """Read an array from .npy, arrays by name from .npz, or JSON. Raises InputError."""
    try:
        if path.suffix.lower() not in {".npy", ".npz"}:
            return read_json(path.read_text(), str(path))
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text: JSON, .npy and .npz can be read") from error
    except ValueError as error:
        raise InputError(f"{path} contains no arrays of numbers or text: {error}") from error


def _v2_inputs(inputs: list[Any]) -> Samples:
    """Return the inputs of a request of the Open Inference Protocol. Raises InputError."""
    try:
        return {each["name"]: _v2_array(each) for each in inputs}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the inputs of the V2 request have no name, datatype, shape and data ({error})") from error


def _v2_array(tensor: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    datatype = str(tensor["datatype"])
    return np.array(tensor["data"], TYPES.get(datatype, datatype.lower())).reshape(tensor["shape"])


def _array(name: str, value: Any) -> np.ndarray[Any, Any]:
    """Convert a value to an array; null is a missing number. Raises InputError unless it contains numbers or text."""
    try:
        array = np.asarray(value)
        return array if array.dtype != object else np.asarray(value, np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"the sample of input {name} is not an array of numbers or text: {error}") from error
