"""Models in local directories instead of a registry, for the command."""

import os
from pathlib import Path
from shutil import copytree, move

from klever_jobrunner.errors import INVALID_MODEL, MODEL_NOT_FOUND, PUSH_FAILED, TOOLCHAIN_FAILED, JobError
from klever_jobrunner.ports import ConversionSource, Converter, FetchedModel, OnLine, Samples, StoredResult
from kleverproto.conversions import Conversion, ConversionRecord
from kleverproto.jobs import JobSpec
from kleverproto.references import ModelRef
from modelformats.threads import in_thread
from ormb.digest import digest_bytes
from ormb.errors import OrmbError
from ormb.modelfile import FILE_NAME, ModelFile, load_modelfile
from ormb.packing import MODEL, pack

from .ormb_models import RECORD_FILE
from .samples import read_samples

RECORD_BYTES = 1024 * 1024
"""Largest record of a conversion."""


class ModelDirectory:
    """See `ports.ModelSource`: a directory as `ormb export` writes it, or the model's files alone.

    Args:
        directory: holds the model; it is not modified.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def fetch(self, spec: JobSpec, destination: Path) -> FetchedModel:
        """See `ports.ModelSource`. The files are not copied."""
        del spec, destination
        return await in_thread(self._read)

    def _read(self) -> FetchedModel:
        if not self._directory.is_dir():
            raise JobError(f"{self._directory} is not a directory", code=MODEL_NOT_FOUND)
        model = self._directory / MODEL
        if not model.is_dir():
            return FetchedModel(self._directory, None)
        modelfile = self._modelfile()
        return FetchedModel(model, modelfile.format, modelfile)

    def _modelfile(self) -> ModelFile:
        path = self._directory / FILE_NAME
        try:
            return load_modelfile(path.read_text(encoding="utf-8")) if path.exists() else ModelFile()
        except (OrmbError, ValueError) as error:
            raise JobError(f"{path} cannot be read: {error}", code=INVALID_MODEL) from error


class OutputDirectory:
    """See `ports.ModelSink`: a directory that receives the model and its conversion record.

    Args:
        directory: created if it does not exist; otherwise it must be empty.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def publish(self, ref: ModelRef, registry: str, directory: Path, record: ConversionRecord) -> str:
        """See `ports.ModelSink`. The digest is that of the model when it is pushed."""
        del ref, registry
        return await in_thread(self._write, directory, record)

    async def republish(self, ref: ModelRef, registry: str, result: StoredResult) -> bool:
        """See `ports.ModelSink`: a directory holds no earlier results."""
        del ref, registry, result
        return False

    def _write(self, directory: Path, record: ConversionRecord) -> str:
        try:
            digest = digest_bytes(pack(directory).manifest)
        except OrmbError as error:
            raise JobError(f"the converted model cannot be packed: {error}", code=PUSH_FAILED) from error
        copytree(directory, self._directory, dirs_exist_ok=True)
        (self._directory / RECORD_FILE).write_text(record.model_dump_json(indent=2))
        return digest


class ConvertedDirectory:
    """See `ports.Converter`: a model that another process has converted and written to an `OutputDirectory`.

    That process may have been controlled by the model. Only the model's files and its record are used; links to other
    places are refused when the model is packed.

    Args:
        directory: holds the result; its files are moved.
        converter: determines the fingerprint of conversions.
    """

    def __init__(self, directory: Path, converter: Converter) -> None:
        self._directory = directory
        self._converter = converter

    def fingerprint(self, format_name: str, wanted: Conversion) -> str:
        """See `ports.Converter`."""
        return self._converter.fingerprint(format_name, wanted)

    async def convert(
        self, source: ConversionSource, wanted: Conversion, destination: Path, on_line: OnLine
    ) -> ConversionRecord:
        """See `ports.Converter`. Raises JobError if the directory holds no such result."""
        del on_line
        record = await in_thread(self._record)
        if (record.source_format, record.target_format) != (source.format, wanted.to):
            made = f"from {record.source_format} to {record.target_format}"
            raise JobError(f"the result in {self._directory} was converted {made}", code=TOOLCHAIN_FAILED)
        await in_thread(self._move, destination)
        return record

    def _record(self) -> ConversionRecord:
        path = self._directory / RECORD_FILE
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                return ConversionRecord.model_validate_json(file.read(RECORD_BYTES))
        except (OSError, ValueError) as error:
            raise JobError(f"{path} contains no record of a conversion", code=TOOLCHAIN_FAILED) from error

    def _move(self, destination: Path) -> None:
        model = self._directory / MODEL
        if model.is_symlink() or not model.is_dir():
            raise JobError(f"{model} is not a directory", code=TOOLCHAIN_FAILED)
        for path in sorted(model.iterdir()):
            move(path, destination / path.name)


class SamplesFile:
    """See `ports.SampleSource`: a file that was fetched before.

    Args:
        path: the .npz file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch_samples(self, spec: JobSpec, digest: str, scratch: Path) -> Samples:
        """See `ports.SampleSource`."""
        del spec, digest, scratch
        return await in_thread(read_samples, self._path)


class NoResults:
    """See `ports.ResultIndex`: there are no earlier results."""

    async def find(self, spec: JobSpec, key: str) -> StoredResult | None:
        """See `ports.ResultIndex`."""
        del spec, key
        return None

    async def record(self, spec: JobSpec, key: str, result: StoredResult) -> None:
        """See `ports.ResultIndex`."""
        del spec, key, result
