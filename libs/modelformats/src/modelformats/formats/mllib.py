"""Spark models, of ML (`DefaultParamsWriter`) and of the older MLlib: their metadata, without the parquet files."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, only_candidate, reading
from modelformats.plain import listed, table, text, whole

METADATA, PARTS = "metadata", "part-*"
SIZE_LIMIT = 1024 * 1024
MOST_STAGES = 1000
DEEPEST = 20
COLUMNS = ("featuresCol", "inputCol", "userCol", "itemCol")
PREDICTED = ("probabilityCol", "predictionCol", "outputCol")
VECTOR, NUMBER = {"featuresCol", "probabilityCol"}, {"predictionCol"}
LIMITED = 128


class MLlib:
    """See `modelformats.format.Format`."""

    name = "MLlib"

    def detect(self, directory: Path) -> bool:
        """Detect a directory `metadata` with a part that Spark wrote."""
        return bool(_parts(directory))

    def validate(self, directory: Path) -> None:
        """Check for metadata/part-* at the top."""
        _part(directory)

    def extract(self, directory: Path) -> Signature:
        """Return the columns that parameters name, and the classes of the stages."""
        path = _part(directory)
        with reading(path, "Spark metadata file"):
            stages = list(_stages(directory, DEEPEST))
            return _signature(stages)


def _parts(directory: Path) -> list[Path]:
    return files_matching(directory / METADATA, PARTS)


def _part(directory: Path) -> Path:
    return only_candidate(_parts(directory), f"{METADATA}/{PARTS}")


def _stages(directory: Path, depth: int) -> list[dict[str, Any]]:
    """Return the metadata of the model and of its stages, which a pipeline stores in a directory each."""
    path = _part(directory)
    if path.stat().st_size > SIZE_LIMIT:
        raise InvalidModelError(f"{path.name} is larger than {SIZE_LIMIT >> 20} MB, which no metadata is")
    own = table(json.loads(path.read_bytes()))
    if text(own.get("class")) is None:
        raise InvalidModelError(f"{path.name} names no class: is it the metadata of a Spark model?")
    inner = sorted((directory / "stages").glob("*")) if depth else []
    if len(inner) > MOST_STAGES:
        raise InvalidModelError(f"the pipeline has more than {MOST_STAGES} stages")
    return [own, *(nested for stage in inner if _is_stage(stage) for nested in _stages(stage, depth - 1))]


def _is_stage(path: Path) -> bool:
    """Return whether a path is a stage. Links are not followed, because they can form cycles."""
    return path.is_dir() and not path.is_symlink()


def _signature(stages: list[dict[str, Any]]) -> Signature:
    made = {name for stage in stages for name, _ in _columns(stage, ("outputCol",))}
    inputs = {name: kind for stage in stages for name, kind in _columns(stage, COLUMNS) if name not in made}
    outputs = dict(_columns(stages[-1], PREDICTED))
    features = next((n for stage in stages if (n := whole(stage.get("numFeatures")))), None)
    classes = next((n for stage in stages if (n := whole(stage.get("numClasses")))), None)
    unknown = {"parameters": "weights are in parquet files, which are not read"}
    if not inputs and features:
        inputs = {"features": "featuresCol"}
    if not inputs:
        unknown["inputs"] = "the metadata names no columns"
    if not outputs:
        unknown["outputs"] = "the metadata names no columns; the model was saved with the older MLlib"
    return Signature(
        inputs=tuple(_tensor(name, kind, features) for name, kind in inputs.items()),
        outputs=tuple(_tensor(name, kind, classes) for name, kind in outputs.items()),
        operators=dict(sorted(Counter(_bare(stage) for stage in stages).items())),
        framework="Spark",
        framework_version=next((v for s in stages if (v := text(s.get("sparkVersion")))), None),
        details={
            "classes": classes,
            "features": features,
            "stages": [text(stage.get("class")) for stage in stages],
            "uid": text(stages[0].get("uid")),
        },
        unknown=unknown,
    )


def _columns(stage: dict[str, Any], kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return name and kind of the columns that a stage's parameters set, or have by default."""
    parameters = table(stage, "defaultParamMap") | table(stage, "paramMap")
    single = [(name, kind) for kind in kinds if (name := text(parameters.get(kind)))]
    several = [
        (name, "inputCols") for name in listed(parameters.get("inputCols")) if "inputCol" in kinds and text(name)
    ]
    return single + several[:LIMITED]


def _tensor(name: str, kind: str, size: int | None) -> Tensor:
    if kind in VECTOR:
        return Tensor(name=name, dtype="float64", shape=(-1, size or -1))
    return Tensor(name=name, dtype="float64" if kind in NUMBER else None, shape=(-1,))


def _bare(stage: dict[str, Any]) -> str:
    return str(stage.get("class")).rpartition(".")[2]


MLLIB = MLlib()
