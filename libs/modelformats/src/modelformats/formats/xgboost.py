"""XGBoost models in JSON or UBJSON (xgboost.readthedocs.io, "Introduction to Model IO"; from 1.0 to 3.x)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, head, reading, single_file
from modelformats.ubjson import Skipped, load_ubjson

PATTERNS = ("*.xgboost", "*.xgb", "*.ubj", "model.json", "*.model", "*.bst")
SNIFF = 64 * 1024
OBJECT_JSON, OBJECT_UBJSON = b"{", b"{"
LEGACY = (b"binf", b"\x00\x00\x00\x3f")
"""How files of the binary format began, which XGBoost 3.1 has dropped."""
DROPPED = (
    "is in XGBoost's old binary format, which new releases do not read: load it with a release before 3.1 and save it "
    "as .json or .ubj"
)
MAX_FEATURES = 2**31


class XGBoost:
    """See `modelformats.format.Format`."""

    name = "XGBoost"

    def detect(self, directory: Path) -> bool:
        """One file with a learner and its booster, or one that is named so."""
        named = files_matching(directory, "*.xgboost", "*.xgb", "*.ubj")
        return len(named) == 1 or len([path for path in files_matching(directory, "*") if _looks_like(path)]) == 1

    def validate(self, directory: Path) -> None:
        """One model file."""
        _file(directory)

    def extract(self, directory: Path) -> Signature:
        """Features in, predictions out, by the objective; trees are operators."""
        path = _file(directory)
        with reading(path, "XGBoost model"):
            return _signature(_document(path))


def _looks_like(path: Path) -> bool:
    start = head(path, SNIFF)
    return start.lstrip()[:1] == b"{" and b"learner" in start[:64] and b"gradient_booster" in start


def _file(directory: Path) -> Path:
    found = [path for path in files_matching(directory, "*") if _looks_like(path)]
    return found[0] if len(found) == 1 else single_file(directory, *PATTERNS)


def _document(path: Path) -> Any:
    start = head(path, 2)
    if head(path, 4) in LEGACY:
        raise InvalidModelError(f"{path.name} {DROPPED}")
    with path.open("rb") as file:
        # JSON goes on with a quote or white space; UBJSON with the type of a length.
        if start[:1] == OBJECT_UBJSON and start[1:2] in {b"L", b"l", b"I", b"i", b"U", b"#", b"$"}:
            return load_ubjson(file)
        return json.load(file)


def _signature(document: Any) -> Signature:
    learner = document["learner"]
    settings, booster = learner["learner_model_param"], learner["gradient_booster"]
    objective = str(learner["objective"]["name"])
    features, classes = _count(settings, "num_feature"), _count(settings, "num_class")
    width = classes or max(1, _count(settings, "num_target"))
    names = _texts(learner.get("feature_names"))
    return Signature(
        inputs=(Tensor(name="X", dtype="float32", shape=(-1, features)),),
        outputs=(Tensor(name="y", dtype="float32", shape=_predicted(objective, width)),),
        operators=_operators(booster),
        framework="xgboost",
        framework_version=".".join(str(int(part)) for part in document.get("version") or ()) or None,
        details={
            "objective": objective,
            "booster": str(booster["name"]),
            "classes": classes or None,
            "feature_names": names,
            "feature_types": _texts(learner.get("feature_types")),
        },
        unknown={"parameters": "trees hold thresholds and leaves, not tensors"},
    )


def _predicted(objective: str, width: int) -> tuple[int, ...]:
    """`predict` of a Booster: one number a row, or one for each class or target."""
    return (-1,) if width == 1 or objective == "multi:softmax" else (-1, width)


def _operators(booster: Any) -> dict[str, int]:
    if booster["name"] == "gblinear":
        return {"Linear": 1}
    model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    return {"Tree": _length(model["trees"])}


def _length(items: Any) -> int:
    return items.length if isinstance(items, Skipped) else len(items)


def _count(settings: Any, name: str) -> int:
    number = int(settings.get(name, 0))
    if not 0 <= number < MAX_FEATURES:
        raise InvalidModelError(f"{name} is {number}, which no model has")
    return number


def _texts(items: Any) -> list[str]:
    return [item for item in items if isinstance(item, str)] if isinstance(items, Sequence) else []


XGBOOST = XGBoost()
