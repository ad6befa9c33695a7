"""Reads samples that were attached to a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from klever_jobrunner.errors import INVALID_SAMPLES, JobError
from kleverproto.conversions import SAMPLES_BYTES


def read_samples(path: Path, limit: int = SAMPLES_BYTES) -> Mapping[str, Any]:
    """The arrays of an .npz file, by name. Raises JobError (`invalid_samples`), also if the limit is exceeded."""
    try:
        with ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size <= limit:
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, BadZipFile, MemoryError) as error:
        raise JobError(f"the samples cannot be read as an .npz file: {error}", code=INVALID_SAMPLES) from error
    raise JobError(f"the samples have {size} bytes, more than {limit}: attach fewer rows", code=INVALID_SAMPLES)
