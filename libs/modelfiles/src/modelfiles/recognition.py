"""Recognises the files of each served format by their first bytes and their usual names."""

import re
import struct
from codecs import BOM_UTF8
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from .selection import Fixed, Rule, head, member_names

SNIFF = 4096
"""Number of bytes at the start of a file that show its format."""
SKLEARN_SNIFF = 64 * 1024
PICKLE_START = b"\x80"
"""The first byte of a pickle of protocol 2 or later."""

ONNX_IR_VERSION, ONNX_VERSIONS = 0x08, range(1, 33)
ONNX_NEXT = frozenset({0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42})
"""Tags that may follow `ir_version` in a ModelProto: producer, domain, version, doc, graph, opset."""

TFLITE_IDENTIFIER = b"TFL3"
CATBOOST_MAGIC = b"CBM1"
CATBOOST_KEYS = (b'"ctr_data"', b'"features_info"', b'"model_info"', b'"oblivious_trees"')

XGBOOST_BOOSTERS = frozenset({"gbtree", "dart", "gblinear"})
XGBOOST_LEARNER = 136
"""Bytes of LearnerModelParamLegacy in src/learner.cc: base score, features, classes, flags, version, targets, rest."""
XGBOOST_LONGEST_NAME = 64
UBJSON_LENGTHS = frozenset({b"i", b"U", b"I", b"l", b"L"})

GRAPHDEF_NODE = re.compile(rb"\x0a[\x80-\xff]{0,9}[\x00-\x7f]\x0a.[\w.][\w.\\/>-]*\x12.[A-Za-z_]\w*", re.DOTALL)
"""The tags of a node, its name and its operator."""
GRAPHDEF_OTHERS = ("saved_model.pb", "init_net.pb", "predict_net.pb")
"""Suffixes of names of *.pb files in other formats."""

EXPORTED_GRAPH = re.compile(r"(?:[^/]+/)?(?:models/[^/]+\.json|serialized_exported_program\.json)")
SCRIPT_MEMBERS = frozenset({"data.pkl", "constants.pkl"})


def is_catboost(path: Path) -> bool:
    """Return whether a file is a .cbm file, or its JSON form."""
    start = head(path, SNIFF)
    return start.startswith(CATBOOST_MAGIC) or (_is_json(start) and any(key in start for key in CATBOOST_KEYS))


def is_exported_program(path: Path) -> bool:
    """Return whether a file is a zip with the graph of torch.export."""
    return any(map(EXPORTED_GRAPH.fullmatch, member_names(path)))


def is_graphdef(path: Path) -> bool:
    """Return whether a file is a frozen graph, which begins with a node."""
    return not path.name.endswith(GRAPHDEF_OTHERS) and GRAPHDEF_NODE.match(head(path, 1024)) is not None


def is_lightgbm(path: Path) -> bool:
    """Return whether a file is a LightGBM text model, version 2 to 4."""
    return begins_as_lightgbm(head(path, SNIFF))


def begins_as_lightgbm(start: bytes) -> bool:
    """Return whether the first lines are `tree` and `version=v…`."""
    lines = start[:200].replace(b"\r", b"").split(b"\n")
    return any(first == b"tree" and second.startswith(b"version=v") for first, second in pairwise(lines[:3]))


def is_onnx(path: Path) -> bool:
    """Return whether a file is a ModelProto, by its first three bytes."""
    start = head(path, 3)
    return (
        len(start) == 3  # noqa: PLR2004
        and start[0] == ONNX_IR_VERSION
        and start[1] in ONNX_VERSIONS
        and start[2] in ONNX_NEXT
    )


def is_openvino(path: Path) -> bool:
    """Return whether a file is XML with the root element `net`."""
    return path.suffix.lower() == ".xml" and b"<net" in head(path, SNIFF // 2)


def is_pmml(path: Path) -> bool:
    """Return whether a file is XML with the root element `PMML`."""
    start = head(path, SNIFF)
    return start.removeprefix(BOM_UTF8).lstrip().startswith(b"<") and b"<PMML" in start


def is_sklearn(path: Path) -> bool:
    """Return whether a file is a pickle that names sklearn near its start. Files compressed by joblib do not."""
    start = head(path, SKLEARN_SNIFF)
    return start.startswith(PICKLE_START) and b"sklearn" in start


def is_tflite(path: Path) -> bool:
    """Return whether a file is a flatbuffer with the identifier of the format."""
    return head(path, 8)[4:] == TFLITE_IDENTIFIER


def is_torchscript(path: Path) -> bool:
    """Return whether a file is a zip with data.pkl and constants.pkl."""
    return {name.partition("/")[2] for name in member_names(path)} >= SCRIPT_MEMBERS


def is_xgboost(path: Path) -> bool:
    """Return whether a file is a learner in JSON, UBJSON or the old binary format."""
    start = head(path, SNIFF)
    if _is_json(start):
        return is_ubjson(start) or b'"learner"' in start[:200]
    try:
        return bool(xgboost_names(start))
    except (ValueError, struct.error):
        return False


def is_ubjson(start: bytes) -> bool:
    """Return whether an object begins with a key that has a length, as in UBJSON."""
    return start[:1] == b"{" and start[1:2] in UBJSON_LENGTHS


def xgboost_names(start: bytes) -> tuple[str, str, int]:
    """Return objective and booster in the header of the old binary format, and the position after them.

    Raises ValueError or struct.error if there is no such header.
    """
    objective, at = _name(start, xgboost_header(start) + XGBOOST_LEARNER)
    booster, at = _name(start, at)
    if booster not in XGBOOST_BOOSTERS:
        raise ValueError(f"its booster is {booster!r}")
    return objective, booster, at


def xgboost_header(start: bytes) -> int:
    """Return the position of the header of the old binary format."""
    return 4 if start.startswith(b"binf") else 0


def _name(start: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", start, at)
    if not 0 < length <= XGBOOST_LONGEST_NAME:
        raise ValueError("it does not begin as an XGBoost model")
    end = at + 8 + length
    return start[at + 8 : end].decode(), end


def _is_json(start: bytes) -> bool:
    return start.lstrip().startswith(b"{")


CATBOOST = Rule("CatBoost", ("*.cbm",), is_catboost)
EXPORTED_PROGRAM = Rule("ExportedProgram", ("*.pt2",), is_exported_program)
GRAPHDEF = Rule("GraphDef", ("*.graphdef",), is_graphdef, is_certain=False)
LIGHTGBM = Rule("LightGBM", ("*.lgb", "*.lgbm", "*.lightgbm"), is_lightgbm)
MLFLOW = Fixed("MLflow", ("MLmodel", "artifacts/MLmodel"))
"""The second path is that of a logged model in MLflow 3."""
ONNX = Rule("ONNX", ("*.onnx",), is_onnx)
OPENVINO = Rule("OpenVINO", ("*.xml",), is_openvino)
PMML = Rule("PMML", ("*.pmml",), is_pmml)
SAVED_MODEL = Fixed("SavedModel", ("saved_model.pb",))
SKLEARN = Rule("SKLearn", ("*.joblib", "*.pkl"), is_sklearn, is_certain=False)
TFLITE = Rule("TFLite", ("*.tflite",), is_tflite)
TORCHSCRIPT = Rule("TorchScript", ("*.pt", "*.pth", "*.ts", "*.torchscript", "*.ptl"), is_torchscript)
XGBOOST = Rule("XGBoost", ("*.xgboost", "*.ubj", "*.xgb", "*.bst"), is_xgboost)

RULES: Mapping[str, Rule | Fixed] = {
    rule.format: rule
    for rule in (
        CATBOOST,
        EXPORTED_PROGRAM,
        GRAPHDEF,
        LIGHTGBM,
        MLFLOW,
        ONNX,
        OPENVINO,
        PMML,
        SAVED_MODEL,
        SKLEARN,
        TFLITE,
        TORCHSCRIPT,
        XGBOOST,
    )
}
"""The rule that selects the file of a model, by format."""
