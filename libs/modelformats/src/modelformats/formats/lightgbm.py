"""LightGBM's text model (github.com/microsoft/LightGBM, `GBDT::SaveModelToString`; versions v2 to v4)."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from kleverproto.signatures import Signature, Tensor
from modelformats.format import files_matching, head, reading, single_file

PATTERNS = ("*.txt", "*.lgb", "*.lightgbm", "*.model")
FIRST_LINE = b"tree"
LAST_LINE = "end of trees"
SNIFF = 1024
LONGEST_LINE = 64 * 1024 * 1024
HEADER_LINES = 100
MAX_FEATURES = 10_000_000


class LightGBM:
    """See `modelformats.format.Format`."""

    name = "LightGBM"

    def detect(self, directory: Path) -> bool:
        """One file that begins with the line `tree`, its version and its classes."""
        return len([path for path in files_matching(directory, "*") if _looks_like(path)]) == 1

    def validate(self, directory: Path) -> None:
        """One model file."""
        _file(directory)

    def extract(self, directory: Path) -> Signature:
        """Features in, predictions out, by the objective; trees are operators."""
        path = _file(directory)
        with reading(path, "LightGBM model"):
            return _signature(path)


def _looks_like(path: Path) -> bool:
    start = head(path, SNIFF).replace(b"\r\n", b"\n")
    return start.startswith(FIRST_LINE + b"\n") and b"\nnum_class=" in start


def _file(directory: Path) -> Path:
    found = [path for path in files_matching(directory, "*") if _looks_like(path)]
    return found[0] if len(found) == 1 else single_file(directory, *PATTERNS)


def _signature(path: Path) -> Signature:
    with path.open(encoding="utf-8") as file:
        header = _header(file.readline(LONGEST_LINE) for _ in range(HEADER_LINES))
        trees = _trees(iter(lambda: file.readline(LONGEST_LINE), ""), first="Tree" in header)
    objective, *_ = header.get("objective", "").split() or [""]
    features, classes = int(header["max_feature_idx"]) + 1, int(header["num_class"])
    if not 0 < features <= MAX_FEATURES or not 0 < classes <= MAX_FEATURES:
        raise ValueError(f"it says {features} features and {classes} classes, which no model has")
    return Signature(
        inputs=(Tensor(name="X", dtype="float64", shape=(-1, features)),),
        outputs=(Tensor(name="y", dtype="float64", shape=(-1, classes) if classes > 1 else (-1,)),),
        operators={"Tree": trees},
        framework="lightgbm",
        details={
            "objective": objective or None,
            "classes": classes if classes > 1 else None,
            "feature_names": header.get("feature_names", "").split(),
            "format_version": header.get("version"),
        },
        unknown={
            "framework_version": "the file has the version of its format, not of LightGBM",
            "parameters": "trees hold thresholds and leaves, not tensors",
        },
    )


def _header(lines: Iterator[str]) -> dict[str, str]:
    """The lines before the first tree, which is taken with them."""
    found: dict[str, str] = {}
    first = next(lines)
    if first.strip() != FIRST_LINE.decode():
        raise ValueError("it does not begin with the line `tree`")
    for line in islice(lines, HEADER_LINES):
        name, equals, value = line.rstrip("\r\n").partition("=")
        if equals:
            found[name] = value
        if not line or name == "Tree":
            break
    return found


def _trees(lines: Iterator[str], *, first: bool) -> int:
    """How many there are, with the first, whose beginning was read with the header."""
    count = int(first)
    for line in lines:
        if line.rstrip("\r\n") == LAST_LINE:
            return count
        count += line.startswith("Tree=")
    raise ValueError(f"the line `{LAST_LINE}` is missing: it is cut off")


LIGHTGBM = LightGBM()
