"""Kitfiles as JSON, as kit stores them in artifacts (https://kitops.org/docs/kitfile/format/); pure."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from ormb.modelfile import ModelFile, lenient_modelfile

from .formats import format_named
from .layout import config_document, table

SECTIONS = ("datasets", "code", "docs", "prompts", "mcpServers")


class Kitfile:
    """The content of a Kitfile.

    Args:
        text: the JSON.

    Raises:
        UnsupportedArtifactError: it is not a JSON object.
    """

    def __init__(self, text: bytes) -> None:
        self._document = config_document(text)
        self._model = table(self._document.get("model"))

    @property
    def model_path(self) -> str | None:
        """Return the path of the model, relative to the Kitfile's directory; None if the Kitfile names none."""
        path = self._model.get("path")
        return posixpath.normpath(str(path)) if path else None

    def modelfile(self) -> ModelFile:
        """Return the metadata that has a field in an ormbfile."""
        package, model = table(self._document.get("package")), self._model
        return lenient_modelfile(
            {
                "author": ", ".join(str(author) for author in package.get("authors") or []) or None,
                "description": package.get("description") or model.get("description"),
                "framework": model.get("framework"),
                "format": format_named(model.get("format")),
            }
        )

    def paths(self) -> Mapping[str, str]:
        """Map the digest of each layer to the path of its content; empty for kits before 0.5."""
        entries = (entry for entry in self._entries() if entry.get("digest") and entry.get("path"))
        return {str(entry["digest"]): posixpath.normpath(str(entry["path"])) for entry in entries}

    def diff_ids(self) -> Mapping[str, str]:
        """Map the digest of each layer to the digest of its uncompressed bytes."""
        entries = (entry for entry in self._entries() if entry.get("digest") and entry.get("diffId"))
        return {str(entry["digest"]): str(entry["diffId"]) for entry in entries}

    def _entries(self) -> Iterator[dict[str, Any]]:
        yield self._model
        for entries in (self._model.get("parts"), *(self._document.get(section) for section in SECTIONS)):
            yield from (table(entry) for entry in entries or [])
