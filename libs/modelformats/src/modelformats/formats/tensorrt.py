"""TensorRT engines, told by how they begin. Only TensorRT of the same version, on its GPU, can read further."""

from pathlib import Path

from kleverproto.signatures import Signature
from modelformats.errors import InvalidModelError
from modelformats.format import has_model_file, head, model_file

PATTERNS = ("*.plan", "*.engine", "*.trt")
MAGICS = (b"ftrt", b"ptrt")
"""`trtf` and `trtp` as little-endian numbers: the plan's header."""
CLOSED = "an engine is read only by TensorRT of the version that built it, on a GPU of the same kind"


class TensorRT:
    """See `modelformats.format.Format`."""

    name = "TensorRT"

    def detect(self, directory: Path) -> bool:
        """A file of one of the usual names, or one file that begins as an engine."""
        return has_model_file(directory, PATTERNS, _looks_like)

    def validate(self, directory: Path) -> None:
        """One engine file."""
        model_file(directory, PATTERNS, _looks_like)

    def extract(self, directory: Path) -> Signature:
        """That it is an engine, and of which size."""
        path = model_file(directory, PATTERNS, _looks_like)
        if not _looks_like(head(path, 4)):
            raise InvalidModelError(f"{path.name} does not begin as a TensorRT engine: it is of another format")
        return Signature(
            framework="TensorRT",
            details={"size": path.stat().st_size},
            unknown=dict.fromkeys(("inputs", "outputs", "operators", "parameters", "framework_version"), CLOSED),
        )


def _looks_like(start: bytes) -> bool:
    return start.startswith(MAGICS)


TENSORRT = TensorRT()
