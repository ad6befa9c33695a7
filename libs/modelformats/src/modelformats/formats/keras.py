"""Keras 3 models (.keras): a zip of config.json, metadata.json and model.weights.h5, whose headers are read."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from kleverproto.signatures import Signature
from modelfiles.selection import Rule, member_names
from modelfiles.zips import read_member
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.hdf5 import Hdf5
from modelformats.weights import Weight, counted, newer_types

from .h5 import weights
from .keras_config import read_config

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
JSON_LIMIT = 16 * 1024**2
LOCAL_HEADER = 30
"""Number of bytes before a member's name in a zip; the last four are the lengths of the name and of the extra field."""


class Keras:
    """See `modelformats.format.Format`."""

    name = "Keras"

    def detect(self, directory: Path) -> bool:
        """Detect a *.keras file, or one zip with the members of one."""
        return RULE.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for one model file."""
        model_file(RULE, directory)

    def extract(self, directory: Path) -> Signature:
        """Return inputs, outputs and layers from the configuration; weights are counted by the shapes of data sets."""
        path = model_file(RULE, directory)
        with reading(path, "Keras model"), ZipFile(path) as archive:
            if CONFIG not in archive.namelist():
                raise InvalidModelError(f"{path.name} has no {CONFIG}: save the model with Keras 3, model.save()")
            return _signature(path, archive)


def _signature(path: Path, archive: ZipFile) -> Signature:
    model = read_config(_json(archive, CONFIG))
    metadata = _json(archive, METADATA) if METADATA in archive.namelist() else {}
    members = {member.filename: member for member in archive.infolist()}
    stored = _weights(path, members[WEIGHTS]) if WEIGHTS in members else None
    reason = f"{WEIGHTS} is compressed or not in the file; Keras stores it uncompressed"
    return Signature(
        inputs=model.inputs,
        outputs=model.outputs,
        operators=model.operators,
        parameters=None if stored is None else counted(stored),
        framework="Keras",
        framework_version=metadata.get("keras_version"),
        details=model.details | {"saved": metadata.get("date_saved")},
        unknown=model.unknown | ({"parameters": reason} if stored is None else newer_types(stored)),
    )


def _json(archive: ZipFile, name: str) -> Any:
    return json.loads(read_member(archive, name, JSON_LIMIT))


def _weights(path: Path, member: ZipInfo) -> list[Weight] | None:
    """Read weights in place: an uncompressed member is a part of the zip's own bytes."""
    if member.compress_type != ZIP_STORED:
        return None
    with path.open("rb") as file:
        file.seek(member.header_offset)
        lengths = file.read(LOCAL_HEADER)[-4:]
        begin = member.header_offset + LOCAL_HEADER
        begin += int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        return weights(Hdf5(file, begin), "/")


def _looks_like(path: Path) -> bool:
    return {CONFIG, METADATA} <= set(member_names(path))


RULE = Rule("Keras", ("*.keras",), _looks_like)
KERAS = Keras()
