"""TensorRT engines, recognised by their first bytes.

Only the same version of TensorRT, on its GPU, can read the rest.
"""

from pathlib import Path

from kleverproto.signatures import Signature
from modelfiles.selection import Rule
from modelformats.errors import InvalidModelError
from modelformats.format import head, model_file

MAGICS = (b"ftrt", b"ptrt")
"""`trtf` and `trtp` as little-endian numbers: the header of a plan."""
CLOSED = "an engine is read only by TensorRT of the version that built it, on a GPU of the same kind"


class TensorRT:
    """See `modelformats.format.Format`."""

    name = "TensorRT"

    def detect(self, directory: Path) -> bool:
        """Detect a file of one of the usual names, or one file that begins as an engine."""
        return RULE.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for one engine file."""
        model_file(RULE, directory)

    def extract(self, directory: Path) -> Signature:
        """Return the type and size of the engine."""
        path = model_file(RULE, directory)
        if not _looks_like(path):
            raise InvalidModelError(f"{path.name} does not begin as a TensorRT engine: it is of another format")
        return Signature(
            framework="TensorRT",
            details={"size": path.stat().st_size},
            unknown=dict.fromkeys(("inputs", "outputs", "operators", "parameters", "framework_version"), CLOSED),
        )


def _looks_like(path: Path) -> bool:
    return head(path, 4) in MAGICS


RULE = Rule("TensorRT", ("*.plan", "*.engine", "*.trt"), _looks_like)


TENSORRT = TensorRT()
