"""LightGBM text models, versions 2 to 4 (`GBDT::SaveModelToString`): the lines before the first tree."""

from pathlib import Path

from kleverproto.signatures import Signature, Tensor
from modelfiles import recognition
from modelformats.errors import InvalidModelError
from modelformats.format import head, model_file, reading
from modelformats.plain import texts, whole
from modelformats.tabular import INPUT, LABELS

HEADER_LIMIT = 16 * 1024 * 1024
FIRST_TREE = b"\nTree="
NO_TREE = b"\nend of trees"


class LightGBM:
    """See `modelformats.format.Format`."""

    name = "LightGBM"

    def detect(self, directory: Path) -> bool:
        """Detect a file of one of the usual names, or one text that begins as LightGBM's."""
        return recognition.LIGHTGBM.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for one model file."""
        model_file(recognition.LIGHTGBM, directory)

    def extract(self, directory: Path) -> Signature:
        """Return features and predictions; trees are counted."""
        path = model_file(recognition.LIGHTGBM, directory)
        with reading(path, "LightGBM text model"):
            start = head(path, HEADER_LIMIT)
            if not recognition.begins_as_lightgbm(start):
                raise InvalidModelError(f"{path.name} does not begin as a LightGBM text model (tree, version=…)")
            end = next((at for mark in (FIRST_TREE, NO_TREE) if (at := start.find(mark)) >= 0), None)
            if end is None:
                raise InvalidModelError(f"{path.name} ends before its first tree: save the model again")
            return _signature(start[:end].decode(), path.stat().st_size - end)


def _signature(header: str, rest: int) -> Signature:
    """Return the signature from the lines of the header, and the number of bytes after them."""
    lines = (line.partition("=") for line in header.splitlines())
    fields = {key: value for key, _, value in lines}
    last, classes = whole(fields.get("max_feature_idx")), whole(fields.get("num_class")) or 1
    if last is None:
        raise InvalidModelError("the header has no max_feature_idx: is it complete?")
    trees = _trees(fields.get("tree_sizes"), rest)
    unknown = {"parameters": "trees contain thresholds and leaf values, not tensors"}
    if trees is None:
        unknown["operators"] = "the file is of a version that does not count its trees"
    objective, _, settings = fields.get("objective", "").partition(" ")
    return Signature(
        inputs=(Tensor(name=INPUT, dtype="float64", shape=(-1, last + 1)),),
        outputs=(Tensor(name=LABELS, dtype="float64", shape=(-1, classes) if classes > 1 else (-1,)),),
        operators={} if trees is None else {"Tree": trees},
        framework="LightGBM",
        details={
            "model_version": fields.get("version"),
            "objective": objective or None,
            "objective_settings": settings or None,
            "classes": classes,
            "feature_names": texts(fields.get("feature_names", "").split(" ")),
        },
        unknown=unknown | {"framework_version": "the file names the version of its format only"},
    )


def _trees(sizes: str | None, rest: int) -> int | None:
    """Return the number of trees. Raises an error if the file is shorter than they are."""
    if sizes is None:
        return None
    each = [whole(size) for size in sizes.split()]
    if None in each or sum(size for size in each if size is not None) > rest:
        raise InvalidModelError("the file is shorter than its trees: it is truncated")
    return len(each)


LIGHTGBM = LightGBM()
