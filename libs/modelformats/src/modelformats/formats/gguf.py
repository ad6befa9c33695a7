"""GGUF (github.com/ggml-org/ggml, docs/gguf.md, versions 2 and 3): keys and tensor headers; no tensor is read."""

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from kleverproto.signatures import Parameters, Signature
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, head, reading
from modelformats.weights import element_count

PATTERN, MAGIC = "*.gguf", b"GGUF"
VERSIONS = {2, 3}
LONGEST_TEXT = 1024 * 1024
MOST_ENTRIES = 1_000_000
MOST_DIMENSIONS = 8
DEEPEST = 4
WEIGHTS_ONLY = "GGUF holds weights and settings; the engine that runs them knows what goes in and out"
KEPT_KEYS = ("general.architecture", "general.name", "general.quantization_version", "tokenizer.ggml.model")

TEXT, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TYPES: dict[int, tuple[str, int, int]] = {
    0: ("float32", 1, 4),
    1: ("float16", 1, 2),
    2: ("q4_0", 32, 18),
    3: ("q4_1", 32, 20),
    6: ("q5_0", 32, 22),
    7: ("q5_1", 32, 24),
    8: ("q8_0", 32, 34),
    9: ("q8_1", 32, 36),
    10: ("q2_k", 256, 84),
    11: ("q3_k", 256, 110),
    12: ("q4_k", 256, 144),
    13: ("q5_k", 256, 176),
    14: ("q6_k", 256, 210),
    15: ("q8_k", 256, 292),
    24: ("int8", 1, 1),
    25: ("int16", 1, 2),
    26: ("int32", 1, 4),
    27: ("int64", 1, 8),
    28: ("float64", 1, 8),
    30: ("bfloat16", 1, 2),
}
"""ggml type to its name, and the elements and bytes of one block."""


class Gguf:
    """See `modelformats.format.Format`."""

    name = "GGUF"

    def detect(self, directory: Path) -> bool:
        """Files that begin with GGUF."""
        return bool(_files(directory))

    def validate(self, directory: Path) -> None:
        """At least one GGUF file; a split model has several."""
        _checked(directory)

    def extract(self, directory: Path) -> Signature:
        """Tensors by type, and what the keys say of the architecture."""
        keys: dict[str, Any] = {}
        tensors: list[tuple[int, int]] = []
        for path in _checked(directory):
            with reading(path, "GGUF file"), path.open("rb") as file:
                keys = _contents(file, tensors) | keys
        architecture = keys.get("general.architecture")
        settings = {name: keys[name] for name in (*KEPT_KEYS, *_sizes(architecture)) if name in keys}
        return Signature(
            parameters=_parameters(tensors),
            framework="ggml",
            details={
                "architecture": architecture,
                "settings": settings,
                "tensors": dict(sorted(Counter(_name(kind) for kind, _ in tensors).items())),
            },
            unknown=dict.fromkeys(("inputs", "outputs", "operators"), WEIGHTS_ONLY)
            | {"framework_version": "the file does not say what wrote it"},
        )


def _files(directory: Path) -> list[Path]:
    return [path for path in files_matching(directory, "*") if head(path, 4) == MAGIC]


def _checked(directory: Path) -> list[Path]:
    found = _files(directory) or files_matching(directory, PATTERN)
    if not found:
        raise InvalidModelError(f"expected {PATTERN} files in {directory}, found none")
    return found


def _contents(file: BinaryIO, tensors: list[tuple[int, int]]) -> dict[str, Any]:
    """The keys; kind and number of elements of each tensor are added to the list."""
    if file.read(4) != MAGIC:
        raise ValueError("it does not begin with GGUF")
    version, tensor_count, key_count = struct.unpack("<IQQ", _take(file, 20))
    if version not in VERSIONS:
        raise ValueError(f"it is GGUF of version {version}: convert it to version 3 with the gguf tools")
    if max(tensor_count, key_count) > MOST_ENTRIES:
        raise ValueError("it says that it has more keys or tensors than any model has")
    keys = {_text(file): _value(file, _kind(file), 0) for _ in range(key_count)}
    tensors.extend(_tensor(file) for _ in range(tensor_count))
    return keys


def _kind(file: BinaryIO) -> int:
    (kind,) = struct.unpack("<I", _take(file, 4))
    return int(kind)


def _tensor(file: BinaryIO) -> tuple[int, int]:
    _text(file)
    (dimensions,) = struct.unpack("<I", _take(file, 4))
    if dimensions > MOST_DIMENSIONS:
        raise ValueError("a tensor has more dimensions than any has")
    shape = struct.unpack(f"<{dimensions}Q", _take(file, 8 * dimensions))
    kind, _offset = struct.unpack("<IQ", _take(file, 12))
    return kind, element_count(shape)


def _value(file: BinaryIO, kind: int, depth: int) -> Any:
    """A key's value; of an array its length."""
    if kind in SCALARS:
        return struct.unpack(f"<{SCALARS[kind]}", _take(file, struct.calcsize(f"<{SCALARS[kind]}")))[0]
    if kind == TEXT:
        return _text(file)
    if kind != ARRAY or depth > DEEPEST:
        raise ValueError(f"a key has the unknown type {kind}")
    inner, length = struct.unpack("<IQ", _take(file, 12))
    if inner in SCALARS:
        _pass_over(file, length * struct.calcsize(f"<{SCALARS[inner]}"))
        return length
    for _ in range(length):  # each reads at least a length, so the end of the file ends it
        _value(file, inner, depth + 1)
    return length


def _text(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", _take(file, 8))
    if length > LONGEST_TEXT:
        raise ValueError(f"a text of {length} bytes is too long")
    return _take(file, length).decode(errors="replace")


def _take(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ValueError("it is cut off")
    return data


def _pass_over(file: BinaryIO, size: int) -> None:
    """Go on behind so many bytes, which must be there."""
    if size > 2**48:
        raise ValueError("an array is longer than any is")
    if size:
        file.seek(size - 1, 1)
        _take(file, 1)


def _sizes(architecture: Any) -> Iterator[str]:
    for name in ("context_length", "embedding_length", "block_count", "vocab_size", "attention.head_count"):
        yield f"{architecture}.{name}"


def _name(kind: int) -> str:
    return TYPES[kind][0] if kind in TYPES else f"type {kind}"


def _parameters(tensors: list[tuple[int, int]]) -> Parameters:
    sizes = Counter[str]()
    for kind, elements in tensors:
        if kind in TYPES:
            name, block, size = TYPES[kind]
            sizes[name] += -(-elements // block) * size
    return Parameters(count=sum(elements for _, elements in tensors), bytes_by_dtype=dict(sorted(sizes.items())))


GGUF = Gguf()
