"""CatBoost models: .cbm (a flatbuffer, catboost/libs/model/flatbuffers/model.fbs) and JSON."""

import json
import re
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelfiles import recognition
from modelfiles.flatbuffers import Buffer, Table
from modelformats.errors import InvalidModelError
from modelformats.format import head, model_file, reading
from modelformats.plain import listed, table, text, whole
from modelformats.tabular import INPUT, LABELS, PROBABILITIES
from modelformats.weights import unknown_tensors

MAGIC, CORE = recognition.CATBOOST_MAGIC, 8
"""The first bytes of a file, and the position of the flatbuffer; its size is between them."""
JSON_LIMIT = 64 * 1024 * 1024
TREES, NOTES = 1, 2
"""Fields of TModelCore."""
DIMENSION, TREE_SIZES = 0, 2
KINDS = {"categorical": (4, 1, 2), "float": (5, 2, 4), "text": (12, 1, 2), "embedding": (18, 1, 2)}
"""Kinds of features: field of TModelTrees with their list, fields of the flat index and the name."""
LABEL_TYPES = {"Integer": "int64", "String": "str", "Float": "float32", "Boolean": "bool"}
VERSION = re.compile(r"(?:release |tags/v)(\d{1,4}(?:\.\d{1,6})+)")


class CatBoost:
    """See `modelformats.format.Format`."""

    name = "CatBoost"

    def detect(self, directory: Path) -> bool:
        """Detect a *.cbm file, or one file that begins as CatBoost's."""
        return recognition.CATBOOST.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for one model file."""
        model_file(recognition.CATBOOST, directory)

    def extract(self, directory: Path) -> Signature:
        """Return features, and classes with probabilities or predictions; trees are counted."""
        path = model_file(recognition.CATBOOST, directory)
        with reading(path, "CatBoost model"):
            return _signature(_binary(path) if head(path, 4) == MAGIC else _json(path))


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > JSON_LIMIT:
        raise InvalidModelError(f"{path.name} is JSON of more than {JSON_LIMIT >> 20} MB: save it as .cbm")
    model = json.loads(path.read_bytes())
    notes, described = table(model, "model_info"), table(model, "features_info")
    features = [
        (kind, feature.get("flat_feature_index"), feature.get("feature_id"))
        for kind in KINDS
        for feature in listed(described.get(f"{kind}_features"))
        if isinstance(feature, dict)
    ]
    trees = model.get("oblivious_trees", model.get("trees"))
    bias = listed(model.get("scale_and_bias"))[1:]
    return {
        "features": features,
        "trees": len(trees) if isinstance(trees, list) else None,
        "dimension": len(listed(bias[0])) if bias else 1,
        "notes": notes,
    }


def _binary(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        buffer = Buffer(file)
        if buffer.number(len(MAGIC), "<I") > path.stat().st_size - CORE:
            raise InvalidModelError(f"{path.name} is shorter than its header declares: it is truncated")
        model = buffer.root(CORE)
        trees = model.table(TREES)
        if trees is None:
            raise InvalidModelError(f"{path.name} contains no trees")
        return {
            "features": [feature for kind in KINDS for feature in _features(trees, kind)],
            "trees": trees.length(TREE_SIZES),
            "dimension": trees.number(DIMENSION, "<i", 1),
            "notes": _notes(model),
        }


def _features(trees: Table, kind: str) -> list[tuple[str, int, str]]:
    field, index, name = KINDS[kind]
    return [(kind, feature.number(index, "<i", -1), feature.text(name)) for feature in trees.tables(field)]


def _notes(model: Table) -> dict[str, Any]:
    """Return the notes that are used below: JSON or text."""
    notes: dict[str, Any] = {}
    for pair in model.tables(NOTES):
        key = pair.text(0)
        if key in {"class_params", "params"}:
            notes[key] = json.loads(pair.text(1) or "{}")
        elif key == "catboost_version_info":
            notes[key] = pair.text(1)
    return notes


def _signature(model: dict[str, Any]) -> Signature:
    notes, trees = model["notes"], whole(model["trees"])
    if trees is None:
        raise InvalidModelError("the file has no trees: is it a CatBoost model?")
    columns = sorted(
        ((kind, at, name) for kind, flat, name in model["features"] if (at := whole(flat)) is not None),
        key=lambda column: column[1],
    )
    classes = [str(label) for label in listed(table(notes, "class_params").get("class_names")) if not _odd(label)]
    version = VERSION.search(str(notes.get("catboost_version_info")))
    return Signature(
        inputs=_inputs(columns),
        outputs=_outputs(notes, classes, whole(model["dimension"]) or 1),
        operators={"Tree": trees},
        framework="CatBoost",
        framework_version=version.group(1) if version else None,
        details={
            "classes": classes,
            "feature_names": [text(name) or str(at) for _, at, name in columns],
            "loss": text(table(notes, "params", "loss_function").get("type")),
            "feature_kinds": {kind: count for kind in KINDS if (count := sum(kind == a for a, _, _ in columns))},
        },
        unknown={"parameters": "trees contain thresholds and leaf values, not tensors"}
        | (unknown_tensors(LABEL_TYPES, [(LABELS, kind)]) if classes and (kind := _label_type(notes)) else {}),
    )


def _odd(label: Any) -> bool:
    return not isinstance(label, (int, float)) and text(label) is None


def _inputs(columns: list[tuple[str, int, Any]]) -> tuple[Tensor, ...]:
    """Return one table if all features are numbers; else a column for each, as their types differ."""
    if columns and all(kind == "float" for kind, _, _ in columns):
        width = 1 + columns[-1][1]
        return (Tensor(name=INPUT, dtype="float32", shape=(-1, width)),)
    return tuple(_column(*column) for column in columns)


def _column(kind: str, at: int, name: Any) -> Tensor:
    """Describe a column. A feature without a name is named by its position."""
    dtype = "str" if kind in {"categorical", "text"} else "float32"
    return Tensor(name=text(name) or str(at), dtype=dtype, shape=(-1, -1) if kind == "embedding" else (-1,))


def _outputs(notes: dict[str, Any], classes: list[str], dimension: int) -> tuple[Tensor, ...]:
    if not classes:
        return (Tensor(name=LABELS, dtype="float64", shape=(-1, dimension) if dimension > 1 else (-1,)),)
    return (
        Tensor(name=LABELS, dtype=LABEL_TYPES.get(_label_type(notes)), shape=(-1,)),
        Tensor(name=PROBABILITIES, dtype="float64", shape=(-1, len(classes))),
    )


def _label_type(notes: dict[str, Any]) -> str:
    """Return the type of labels; empty if the file has none."""
    return text(table(notes, "class_params").get("class_label_type")) or ""


CATBOOST = CatBoost()
