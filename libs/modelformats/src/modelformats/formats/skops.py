"""scikit-learn estimators saved by skops (.skops): a zip of schema.json and an .npy file for each array.

The layout is that of skops/io (protocols 0 to 2). Its nodes are converted to the same inert objects as pickles.
"""

import io
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from kleverproto.signatures import Signature
from modelfiles.inert_pickle import SMALL_ARRAY, Inert
from modelfiles.selection import Rule, member_names
from modelfiles.zips import read_member
from modelformats.format import model_file, reading

from .sklearn import signature_of

SCHEMA = "schema.json"
SCHEMA_LIMIT = 64 * 1024**2
HEADER_LIMIT = 64 * 1024
DEEPEST = 200


class Skops:
    """See `modelformats.format.Format`."""

    name = "Skops"

    def detect(self, directory: Path) -> bool:
        """Detect a *.skops file, or one zip with a schema.json at its top."""
        return RULE.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for one such file."""
        model_file(RULE, directory)

    def extract(self, directory: Path) -> Signature:
        """Return the same signature as `formats.sklearn` for the estimator."""
        path = model_file(RULE, directory)
        with reading(path, "skops file"), ZipFile(path) as archive:
            schema = json.loads(read_member(archive, SCHEMA, SCHEMA_LIMIT))
            signature = signature_of(_Nodes(archive).value(schema))
            return signature.model_copy(update={"details": {**signature.details, "skops_version": _version(schema)}})


def _version(schema: Any) -> str | None:
    version = schema.get("_skops_version")
    return version if isinstance(version, str) and version.isprintable() else None


class _Nodes:
    """Converts nodes to values; of arrays, only the headers and the bytes of small ones are read."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._arrays: dict[str, Inert] = {}

    def value(self, node: Any, depth: int = 0) -> Any:
        """Return the value of a node. Raises ValueError if it is invalid."""
        if not isinstance(node, dict) or depth > DEEPEST:
            raise ValueError("schema.json contains a value that is not a node, or nests too deeply")
        content, kind = node.get("content"), node.get("__loader__")
        if kind == "JsonNode":
            return json.loads(content) if isinstance(content, str) else None
        if kind == "NdArrayNode":
            return self._array(node, depth)
        if kind in {"ListNode", "TupleNode", "SetNode"} and isinstance(content, list):
            values = [self.value(each, depth + 1) for each in content]
            return tuple(values) if kind == "TupleNode" else values
        if kind == "DictNode" and isinstance(content, dict):
            return {name: self.value(each, depth + 1) for name, each in content.items()}
        return self._object(node, depth)

    def _object(self, node: dict[str, Any], depth: int) -> Inert:
        made = Inert()
        made.made_by = f"{node.get('__module__')}.{node.get('__class__')}"
        if isinstance(node.get("content"), dict):
            made.state = self.value(node["content"], depth + 1)
        return made

    def _objects(self, node: dict[str, Any], depth: int) -> Inert:
        """Return an array whose values are nodes, such as labels of text."""
        made, dtype = Inert(), Inert("O8")
        made.made_by = "numpy._core.multiarray._reconstruct"
        values = [self.value(each, depth + 1) for each in node["content"]]
        shape = self.value(node["shape"], depth + 1) if "shape" in node else (len(values),)
        made.state = (1, shape, dtype, False, values)
        return made

    def _array(self, node: dict[str, Any], depth: int) -> Inert:
        """Return an array in joblib's form, or in NumPy's form if it contains objects."""
        if node.get("type") == "json" and isinstance(node.get("content"), list):
            return self._objects(node, depth)
        name = node.get("file")
        if node.get("type") != "numpy" or not isinstance(name, str):
            return Inert()
        if name not in self._arrays:
            self._arrays[name] = self._read(name)
        return self._arrays[name]

    def _read(self, name: str) -> Inert:
        from numpy.lib import format as npy  # noqa: PLC0415 - only such files need it

        with self._archive.open(name) as member:
            start = io.BytesIO(member.read(HEADER_LIMIT + SMALL_ARRAY))
        read = npy.read_array_header_1_0 if npy.read_magic(start) == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(start, max_header_size=HEADER_LIMIT)
        made, described = Inert(), Inert(dtype.str)
        made.made_by = "joblib.numpy_pickle.NumpyArrayWrapper"
        made.state = {"dtype": described, "shape": shape}
        size = dtype.itemsize
        for dimension in shape:
            size *= dimension
        made.array_bytes = start.read(size) if size <= SMALL_ARRAY and not dtype.hasobject else None
        return made


def _looks_like(path: Path) -> bool:
    return SCHEMA in member_names(path)


RULE = Rule("Skops", ("*.skops",), _looks_like)
SKOPS = Skops()
