"""Extracts a signature or scans a model, and converts errors to those of jobs."""

from pathlib import Path

import modelformats
from klever_jobrunner.errors import INVALID_MODEL, OUT_OF_MEMORY, SIGNATURE_TOO_LARGE, UNSUPPORTED_FORMAT, JobError
from kleverproto.scans import Scan
from kleverproto.signatures import Signature
from modelformats.scanning import scan_directory

SIGNATURE_LIMIT = 512 * 1024
"""Bytes of JSON. Documents and events contain signatures, and a NATS message is limited to 1 MiB."""


def extract(directory: Path, format_name: str | None) -> Signature:
    """See `ports.JobExecutor`. Runs in this process."""
    try:
        signature = modelformats.extract_signature(_format(directory, format_name), directory)
    except modelformats.InvalidModelError as error:
        raise JobError(_message(error, directory), code=INVALID_MODEL) from error
    except modelformats.UnsupportedFormatError as error:
        raise JobError(_message(error, directory), code=UNSUPPORTED_FORMAT) from error
    except MemoryError as error:
        raise _too_much("parsing") from error
    if (size := len(signature.model_dump_json())) > SIGNATURE_LIMIT:
        raise JobError(
            f"the model's signature has {size} bytes, more than the limit of {SIGNATURE_LIMIT}: "
            "it has too many inputs, outputs or labels",
            code=SIGNATURE_TOO_LARGE,
        )
    return signature


def scan(directory: Path) -> Scan:
    """See `ports.JobExecutor`. Runs in this process."""
    try:
        return scan_directory(directory)
    except MemoryError as error:
        raise _too_much("scanning") from error


def _message(error: Exception, directory: Path) -> str:
    """The message with only the name of the directory: its local path is not meaningful to the author."""
    return str(error).replace(str(directory), directory.name)


def _too_much(doing: str) -> JobError:
    return JobError(
        f"{doing} the model needs more memory than a worker may use: increase KLEVER_JOBRUNNER_WORKER_MEMORY_MB "
        "and retry with `klever jobs create <model>`",
        code=OUT_OF_MEMORY,
    )


def _format(directory: Path, format_name: str | None) -> str:
    detected = format_name or modelformats.detect_format(directory)
    if detected is None:
        modelformats.refuse_pointers(directory)
        raise modelformats.UnsupportedFormatError(
            "the model has no format, and it cannot be detected from the files: set `format:` in ormbfile.yaml"
        )
    return detected
