"""Safetensors (github.com/huggingface/safetensors, format 1): the JSON header; tensors are never read.

A model of several files has an index; the architecture is in the config.json that transformers writes beside them.
"""

import json
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, head, reading
from modelformats.weights import counted, element_count

PATTERN = "*.safetensors"
CONFIG = "config.json"
LENGTH = struct.Struct("<Q")
MAX_HEADER = 100_000_000
"""Bytes; the reference implementation's own limit."""
MAX_CONFIG = 4 * 1024 * 1024
METADATA = "__metadata__"
WEIGHTS_ONLY = "safetensors holds weights only; the code that runs them knows what goes in and out"

DTYPES = {
    "BOOL": "bool",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


class SafeTensors:
    """See `modelformats.format.Format`."""

    name = "SafeTensors"

    def detect(self, directory: Path) -> bool:
        """*.safetensors files, or one file that begins as they do."""
        if files_matching(directory, PATTERN):
            return True
        return len([path for path in files_matching(directory, "*") if _looks_like(path)]) == 1

    def validate(self, directory: Path) -> None:
        """At least one *.safetensors file."""
        _files(directory)

    def extract(self, directory: Path) -> Signature:
        """Tensors by type; architecture and library from config.json, where it is there."""
        headers: list[dict[str, Any]] = []
        tensors: list[tuple[str, tuple[int, ...]]] = []
        for path in _files(directory):
            with reading(path, "safetensors file"):
                headers.append(_header(path))
                tensors += _tensors(headers[-1])
        parameters = counted((DTYPES.get(dtype), shape) for dtype, shape in tensors)
        config = _config(directory / CONFIG)
        quantization = config.get("quantization_config")
        return Signature(
            parameters=parameters,
            framework=_framework(headers, config),
            framework_version=_text(config.get("transformers_version")),
            details={
                "architectures": [name for name in config.get("architectures") or () if isinstance(name, str)],
                "model_type": _text(config.get("model_type")),
                "quantization": _text(quantization.get("quant_method")) if isinstance(quantization, dict) else None,
                "tensors": dict(sorted(Counter(dtype for dtype, _ in tensors).items())),
                "files": len(headers),
            },
            unknown=dict.fromkeys(("inputs", "outputs", "operators"), WEIGHTS_ONLY),
        )


def _looks_like(path: Path) -> bool:
    start = head(path, 10)
    if len(start) < 10:  # noqa: PLR2004 - as many as were asked for
        return False
    return start[8:] == b'{"' and 0 < LENGTH.unpack(start[:8])[0] <= MAX_HEADER


def _files(directory: Path) -> list[Path]:
    found = files_matching(directory, PATTERN) or [path for path in files_matching(directory, "*") if _looks_like(path)]
    if not found:
        raise InvalidModelError(f"expected {PATTERN} files in {directory}, found none")
    return found


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        size = path.stat().st_size
        (length,) = LENGTH.unpack(file.read(8))
        if length > min(MAX_HEADER, size - 8):
            raise ValueError(f"its header alone should have {length} bytes")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")  # noqa: TRY004 - a matter of bytes, not of our types
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != METADATA]
    if max(ends, default=0) > size - 8 - length:
        raise ValueError("its last tensor ends behind the file")
    return header


def _tensors(header: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, entry in header.items():
        if name != METADATA:
            shape = tuple(int(size) for size in entry["shape"])
            element_count(shape)
            yield str(entry["dtype"]), shape


def _config(path: Path) -> dict[str, Any]:
    """What transformers says of the model; it is extra, so a bad one is as none."""
    try:
        config = json.loads(head(path, MAX_CONFIG))
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _framework(headers: list[dict[str, Any]], config: dict[str, Any]) -> str | None:
    if "transformers_version" in config or "architectures" in config:
        return "transformers"
    metadata = headers[0].get(METADATA)
    said = metadata.get("format") if isinstance(metadata, dict) else None
    return {"pt": "PyTorch", "tf": "TensorFlow", "flax": "Flax", "np": "NumPy", "mlx": "MLX"}.get(str(said))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.isprintable() else None


SAFE_TENSORS = SafeTensors()
