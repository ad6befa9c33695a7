"""Servings as files that a command names."""

import sys
from pathlib import Path

from klever.errors import InputError
from klever.manifests import read_manifests
from kleverproto.serving_specs import ServingManifest

from .app import errors_as_lines


def read_manifest_file(path: str) -> list[ServingManifest]:
    """Read the documents of a file, or of standard input for "-". Raises ClickException."""
    source = "standard input" if path == "-" else path
    with errors_as_lines():
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{source} is not a text file in UTF-8") from error
        return read_manifests(text, source)
