"""Extracts a signature, or scans; says what went wrong in the job's words, wherever it runs."""

from pathlib import Path

import modelformats
from klever_jobrunner.errors import INVALID_MODEL, OUT_OF_MEMORY, SIGNATURE_TOO_LARGE, UNSUPPORTED_FORMAT, JobError
from kleverproto.scans import Scan
from kleverproto.signatures import Signature
from modelformats.scanning import scan_directory

SIGNATURE_LIMIT = 512 * 1024
"""Bytes of JSON. Documents and events carry signatures, and a message of NATS holds 1 MiB."""


def extract(directory: Path, format_name: str | None) -> Signature:
    """See `ports.JobExecutor`; here and now, in this process."""
    try:
        signature = modelformats.extract_signature(_format(directory, format_name), directory)
    except modelformats.InvalidModelError as error:
        raise JobError(_said(error, directory), code=INVALID_MODEL) from error
    except modelformats.UnsupportedFormatError as error:
        raise JobError(_said(error, directory), code=UNSUPPORTED_FORMAT) from error
    except MemoryError as error:
        raise _too_much("parsing") from error
    if (size := len(signature.model_dump_json())) > SIGNATURE_LIMIT:
        raise JobError(
            f"the model's signature has {size} bytes, more than the {SIGNATURE_LIMIT} that can be kept: "
            "it has too many inputs, outputs or labels",
            code=SIGNATURE_TOO_LARGE,
        )
    return signature


def scan(directory: Path) -> Scan:
    """See `ports.JobExecutor`; here and now, in this process."""
    try:
        return scan_directory(directory)
    except MemoryError as error:
        raise _too_much("scanning") from error


def _said(error: Exception, directory: Path) -> str:
    """The message, with the directory's name alone: its place on this machine means nothing to the author."""
    return str(error).replace(str(directory), directory.name)


def _too_much(doing: str) -> JobError:
    return JobError(
        f"{doing} the model needs more memory than a worker may use: raise KLEVER_JOBRUNNER_WORKER_MEMORY_MB "
        "and try again with `klever jobs create <model>`",
        code=OUT_OF_MEMORY,
    )


def _format(directory: Path, format_name: str | None) -> str:
    detected = format_name or modelformats.detect_format(directory)
    if detected is None:
        modelformats.refuse_pointers(directory)
        raise modelformats.UnsupportedFormatError(
            "the model does not say its format, and its files do not show it: write `format:` into ormbfile.yaml"
        )
    return detected
