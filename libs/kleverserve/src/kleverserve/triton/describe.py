"""Writes a model's Triton configuration, in a separate process so that the launcher does not load the engine.

Exit codes: 0, or 3 when the model cannot be loaded, with the reason on one line.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kleverserve.app import load_model
from kleverserve.command_line import EXIT_CANNOT_LOAD, fail
from kleverserve.errors import ModelLoadError
from kleverserve.trial import try_model
from modelfiles.runtimes import RUNTIMES

from .config import model_config
from .sample import write_sample


def main(arguments: Sequence[str]) -> int:
    """Load and test the model. Writes the configuration to `--to`, and an accepted sample to `--sample-to`."""
    parser = argparse.ArgumentParser("kleverserve.triton.describe")
    for name in ("--model-dir", "--format", "--name", "--version", "--threads", "--to", "--sample-to"):
        parser.add_argument(name, required=True)
    given = parser.parse_args(arguments)
    threads = int(given.threads)
    parameters = {
        "version": given.version,
        "format": given.format,
        "model_dir": given.model_dir,
        "threads": given.threads,
    }
    try:
        rows = _batch_rows(given.format)
        model = load_model(Path(given.model_dir), format=given.format, threads=threads)
        sample = try_model(model).sample
        if sample is not None:
            write_sample(Path(given.sample_to), sample, model.inputs)
        instances = max(1, len(os.sched_getaffinity(0)) // threads)
        config = model_config(model, name=given.name, instances=instances, batch_rows=rows, parameters=parameters)
    except ModelLoadError as error:
        return fail(f"cannot load the model: {error}", EXIT_CANNOT_LOAD)
    Path(given.to).write_text(config)
    return 0


def _batch_rows(model_format: str) -> int:
    """Return the maximum number of rows of a batch. Raises ModelLoadError if Triton does not serve the format here."""
    triton = RUNTIMES["triton"]
    if model_format not in triton.served_here:
        formats = ", ".join(sorted(triton.served_here))
        raise ModelLoadError(f"Triton does not serve {model_format} here; the formats are: {formats}")
    return triton.formats[model_format].batch_rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
