"""XGBoost models: JSON and UBJSON (the schema in XGBoost's doc/tutorials/saving_model), and old binary files.

All of them contain the numbers of features and classes, the objective and the trees. Binary files are from XGBoost
before version 2.
"""

import json
import struct
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelfiles import recognition
from modelfiles.ubjson import read_ubjson
from modelformats.errors import InvalidModelError
from modelformats.format import head, model_file, reading
from modelformats.plain import listed, table, text, texts, whole
from modelformats.tabular import INPUT, LABELS

JSON_LIMIT = 64 * 1024 * 1024
"""JSON must be loaded completely; unlike UBJSON, parts cannot be skipped."""
START = 512
NO_PARAMETERS = "trees contain thresholds and leaf values, not tensors"


class XGBoost:
    """See `modelformats.format.Format`."""

    name = "XGBoost"

    def detect(self, directory: Path) -> bool:
        """Detect a file of one of the usual names, or one file that begins as a learner does."""
        return recognition.XGBOOST.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for one model file."""
        model_file(recognition.XGBOOST, directory)

    def extract(self, directory: Path) -> Signature:
        """Return features and predictions; trees are counted."""
        path = model_file(recognition.XGBOOST, directory)
        with reading(path, "XGBoost model"):
            start = head(path, START)
            if recognition.is_ubjson(start):
                return _signature(read_ubjson(path, counted=frozenset({"trees"})), "UBJSON")
            if start.lstrip().startswith(b"{"):
                return _signature(_json(path), "JSON")
            return _signature(_legacy(start), "binary")


def _json(path: Path) -> Any:
    if path.stat().st_size > JSON_LIMIT:
        raise InvalidModelError(f"{path.name} is JSON of more than {JSON_LIMIT >> 20} MB: save it as .ubj")
    return json.loads(path.read_bytes())


def _legacy(start: bytes) -> dict[str, Any]:
    """Return the header of the old binary format in the form of the JSON one."""
    begin = recognition.xgboost_header(start)
    _, features, classes, _, _, major, minor, targets = struct.unpack_from("<fIiiiIII", start, begin)
    objective, booster, at = recognition.xgboost_names(start)
    trees = struct.unpack_from("<i", start, at)[0] if booster != "gblinear" else 0
    return {
        "learner": {
            "learner_model_param": {"num_feature": features, "num_class": classes, "num_target": targets},
            "objective": {"name": objective},
            "gradient_booster": {"name": booster, "model": {"trees": trees}},
        },
        "version": [major, minor, 0] if major else [],
    }


def _signature(model: Any, encoding: str) -> Signature:
    learner = table(model, "learner")
    booster = table(learner, "gradient_booster")
    shape = table(learner, "learner_model_param")
    features, classes = whole(shape.get("num_feature")), whole(shape.get("num_class")) or 0
    targets = whole(shape.get("num_target")) or 1
    kind, objective = text(booster.get("name")), text(table(learner, "objective").get("name"))
    if kind not in recognition.XGBOOST_BOOSTERS or features is None:
        raise InvalidModelError("the file has no learner with a booster and a number of features: is it a model?")
    version = [str(part) for part in listed(model.get("version")) if whole(part) is not None]
    return Signature(
        inputs=(Tensor(name=INPUT, dtype="float32", shape=(-1, features)),),
        outputs=(Tensor(name=LABELS, dtype="float32", shape=_output(objective, classes, targets)),),
        operators={"Linear": 1} if kind == "gblinear" else {"Tree": _trees(booster)},
        framework="XGBoost",
        framework_version=".".join(version) or None,
        details={
            "booster": kind,
            "objective": objective,
            "classes": classes,
            "targets": targets,
            "encoding": encoding,
            "feature_names": texts(learner.get("feature_names")),
            "feature_types": texts(learner.get("feature_types")),
        },
        unknown={"parameters": NO_PARAMETERS},
    )


def _trees(booster: dict[str, Any]) -> int:
    """Return the number of trees; a dart booster contains a gbtree."""
    trees = (table(booster, "model") or table(booster, "gbtree", "model")).get("trees")
    count = whole(len(trees) if isinstance(trees, list) else trees)
    if count is None:
        raise InvalidModelError("the booster has no trees: is the file complete?")
    return count


def _output(objective: str | None, classes: int, targets: int) -> tuple[int, ...]:
    """Return the output shape: `multi:softmax` returns the class, other objectives with classes a score for each.

    Targets, and the quantiles of `reg:quantileerror`, have a number each.
    """
    columns = classes if classes > 1 and objective != "multi:softmax" else targets
    return (-1, columns) if columns > 1 else (-1,)


XGBOOST = XGBoost()
