"""Loads Keras models, each with the version of Keras that wrote it."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import h5py

from ..program import INVALID_MODEL, UNSUPPORTED_OPERATOR, ProblemError, Request


def load(request: Request) -> tuple[Any, str]:
    """Return the model, and the package that loaded it: keras (3), or tf_keras for files of Keras 2.

    Raises ProblemError if the file is invalid, or contains Python code.
    """
    path = request.file
    version, config = _described(path)
    if "Lambda" in _classes(config, path):
        raise ProblemError(
            UNSUPPORTED_OPERATOR,
            "the model has a Lambda layer, whose Python code is not run here: write it as a layer of Keras, "
            "or convert the model to SavedModel where it was made",
        )
    package = "tf_keras" if version.startswith("2.") else "keras"
    try:
        with TemporaryDirectory() as directory:
            return _loaded(package, _named(path, Path(directory))), package
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise ProblemError(INVALID_MODEL, f"{package} cannot load {path.name}: {_first_line(error)}") from error


def _named(path: Path, directory: Path) -> Path:
    """Create a link to the file with the suffix that Keras requires for its content."""
    link = directory / ("model.keras" if is_zipfile(path) else "model.h5")
    link.symlink_to(path)
    return link


def _loaded(package: str, path: Path) -> Any:
    # only the needed one is imported, since each takes seconds
    if package == "tf_keras":
        import tf_keras  # noqa: PLC0415

        return tf_keras.models.load_model(path, compile=False)
    import keras  # noqa: PLC0415

    return keras.models.load_model(path, compile=False)


def _described(path: Path) -> tuple[str, str]:
    """Return the version of Keras that wrote the file, and the model's configuration as JSON text."""
    try:
        if is_zipfile(path):
            with ZipFile(path) as archive:
                metadata = json.loads(archive.read("metadata.json"))
                return str(metadata.get("keras_version", "3")), archive.read("config.json").decode()
        with h5py.File(path) as file:
            config = file.attrs.get("model_config")
            version = file.attrs.get("keras_version", "2.")
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise ProblemError(INVALID_MODEL, f"{path.name} is not a Keras model: {_first_line(error)}") from error
    if config is None:
        raise ProblemError(
            INVALID_MODEL,
            f"{path.name} contains weights only: save the whole model, with model.save instead of save_weights",
        )
    return _text(version), _text(config)


def _classes(config: str, path: Path) -> set[str]:
    """Return the classes of the layers in a model's configuration, at any depth."""
    names: set[str] = set()
    try:
        json.loads(config, object_hook=lambda entry: names.add(str(entry.get("class_name"))))
    except (ValueError, RecursionError) as error:
        raise ProblemError(INVALID_MODEL, f"{path.name} has a description that is not JSON: {error}") from error
    return names


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
