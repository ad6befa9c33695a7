"""Safetensors (github.com/huggingface/safetensors, format 1): the JSON header. Tensors are not read.

A model of several files has an index; `formats.transformers` reads the files beside them.
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
from modelformats.parts import check_numbered, check_parts
from modelformats.weights import Weight, counted, named_type, newer_types, size_in_bytes

from .transformers import INDEX_PATTERN, describe, shards

PATTERN = "*.safetensors"
LENGTH = struct.Struct("<Q")
MAX_HEADER = 100_000_000
"""In bytes; the same limit as in the reference implementation."""
MAX_BYTES = 2**62
METADATA = "__metadata__"
WEIGHTS_ONLY = "safetensors contains only weights; inputs and outputs are defined by the code that runs them"

DTYPES = {
    "BOOL": "bool",
    "F4": "float4_e2m1fn",
    "F6_E2M3": "float6_e2m3fn",
    "F6_E3M2": "float6_e3m2fn",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "BF16": "bfloat16",
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "C64": "complex64",
}
"""Of the Rust crate safetensors 0.8; others are counted as unknown types."""


class SafeTensors:
    """See `modelformats.format.Format`."""

    name = "SafeTensors"

    def detect(self, directory: Path) -> bool:
        """Detect *.safetensors files, or one file that begins as they do."""
        if files_matching(directory, PATTERN):
            return True
        return len([path for path in files_matching(directory, "*") if _looks_like(path)]) == 1

    def validate(self, directory: Path) -> None:
        """Check for at least one *.safetensors file; all files that the index or their numbers declare."""
        files = _files(directory)
        check_numbered(files)
        for index in files_matching(directory, INDEX_PATTERN):
            check_parts(index, shards(index))

    def extract(self, directory: Path) -> Signature:
        """Return tensors by type, and architecture and library from the files that transformers and PEFT write."""
        self.validate(directory)
        headers: list[dict[str, Any]] = []
        tensors: list[tuple[str, Weight]] = []
        for path in _files(directory):
            with reading(path, "safetensors file"):
                headers.append(_header(path))
                tensors += _tensors(headers[-1])
        types = Counter(dtype for dtype, _ in tensors)
        about = describe(directory)
        return Signature(
            parameters=counted(weight for _, weight in tensors),
            framework=about.framework or _framework(headers[0]),
            framework_version=about.version,
            details={**about.details, "tensors": dict(sorted(types.items())), "files": len(headers)},
            unknown=dict.fromkeys(("inputs", "outputs", "operators"), WEIGHTS_ONLY)
            | newer_types(weight for _, weight in tensors),
            warnings=about.warnings,
        )


def _looks_like(path: Path) -> bool:
    start = head(path, 10)
    if len(start) < 10:  # noqa: PLR2004 - as many as were asked for
        return False
    return start[8:] == b'{"' and 0 < LENGTH.unpack(start[:8])[0] <= MAX_HEADER


def _files(directory: Path) -> list[Path]:
    files = files_matching(directory, PATTERN) or [path for path in files_matching(directory, "*") if _looks_like(path)]
    if not files:
        raise InvalidModelError(f"there is no {PATTERN}")
    return files


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        size = path.stat().st_size
        (length,) = LENGTH.unpack(file.read(8))
        if length > min(MAX_HEADER, size - 8):
            raise ValueError(f"its header should have {length} bytes")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")  # noqa: TRY004 - a matter of bytes, not of our types
    end = max((_offsets(entry)[1] for name, entry in header.items() if name != METADATA), default=0)
    if end > size - 8 - length:
        raise ValueError(
            f"its tensors end at byte {8 + length + end}, but it has only {size}: copy it again, as a whole"
        )
    return header


def _tensors(header: dict[str, Any]) -> Iterator[tuple[str, Weight]]:
    """Yield the written type of each tensor, and its weight."""
    for name, entry in header.items():
        if name == METADATA:
            continue
        begin, end = _offsets(entry)
        written, shape = str(entry["dtype"]), tuple(int(size) for size in entry["shape"])
        dtype = named_type(DTYPES, written)
        if size_in_bytes(dtype, shape) not in {None, end - begin}:
            raise ValueError(f"a tensor of type {written} and shape {list(shape)} has {end - begin} bytes")
        yield written, Weight(dtype, shape, end - begin)


def _offsets(entry: Any) -> tuple[int, int]:
    begin, end = entry["data_offsets"]
    if not 0 <= int(begin) <= int(end) < MAX_BYTES:
        raise ValueError("a tensor has impossible offsets")
    return int(begin), int(end)


def _framework(header: dict[str, Any]) -> str | None:
    metadata = header.get(METADATA)
    framework = metadata.get("format") if isinstance(metadata, dict) else None
    return {"pt": "PyTorch", "tf": "TensorFlow", "flax": "Flax", "np": "NumPy", "mlx": "MLX"}.get(str(framework))


SAFE_TENSORS = SafeTensors()
