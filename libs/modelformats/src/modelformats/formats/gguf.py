"""GGUF (github.com/ggml-org/ggml, docs/gguf.md, versions 2 and 3): weights by type, and the metadata keys."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, head, reading
from modelformats.parts import check_numbered
from modelformats.weights import counted, newer_types

from .gguf_file import MAGIC, GgufFile, read_gguf

PATTERN = "*.gguf"
WEIGHTS_ONLY = "GGUF contains weights and settings; inputs and outputs are defined by the engine that runs them"
KEPT_KEYS = ("general.architecture", "general.name", "general.quantization_version", "tokenizer.ggml.model")
BIG_ENDIAN = (
    "the model was written for big-endian machines such as IBM Z: on x86 and ARM, engines do not load it; "
    "convert it with gguf_convert_endian.py of llama.cpp"
)


class Gguf:
    """See `modelformats.format.Format`."""

    name = "GGUF"

    def detect(self, directory: Path) -> bool:
        """Detect files that begin with GGUF."""
        return bool(_recognised(directory))

    def validate(self, directory: Path) -> None:
        """Check for at least one GGUF file; all files of a split model."""
        check_numbered(_files(directory))

    def extract(self, directory: Path) -> Signature:
        """Return tensors by type, and the architecture from the keys."""
        self.validate(directory)
        return _signature([_read(path) for path in _files(directory)])


def _recognised(directory: Path) -> list[Path]:
    return [path for path in files_matching(directory, "*") if head(path, 4) == MAGIC]


def _files(directory: Path) -> list[Path]:
    files = _recognised(directory) or files_matching(directory, PATTERN)
    if not files:
        raise InvalidModelError(f"there is no {PATTERN}")
    return files


def _read(path: Path) -> GgufFile:
    with reading(path, "GGUF file"), path.open("rb") as file:
        return read_gguf(file)


def _signature(files: list[GgufFile]) -> Signature:
    keys: dict[str, Any] = {}
    for file in files:
        keys = file.keys | keys
    weights = [weight for file in files for weight in file.weights]
    architecture = keys.get("general.architecture")
    is_big_endian = any(file.is_big_endian for file in files)
    return Signature(
        parameters=counted(weights),
        framework="ggml",
        details={
            "architecture": architecture,
            "byte_order": "big-endian" if is_big_endian else "little-endian",
            "settings": {name: keys[name] for name in (*KEPT_KEYS, *_sizes(architecture)) if name in keys},
            "tensors": dict(sorted(Counter(str(weight.dtype) for weight in weights).items())),
        },
        unknown=dict.fromkeys(("inputs", "outputs", "operators"), WEIGHTS_ONLY)
        | {"framework_version": "the file does not name the program that wrote it"}
        | newer_types(weights),
        warnings=(BIG_ENDIAN,) if is_big_endian else (),
    )


def _sizes(architecture: Any) -> Iterator[str]:
    for name in ("context_length", "embedding_length", "block_count", "vocab_size", "attention.head_count"):
        yield f"{architecture}.{name}"


GGUF = Gguf()
