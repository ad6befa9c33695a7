"""Servings as files: YAML or JSON, one or several documents; pure."""

import yaml
from pydantic import ValidationError

from kleverproto.mistakes import mistakes_in
from kleverproto.serving_specs import ServingManifest

from .errors import InputError


def read_manifests(text: str, source: str) -> list[ServingManifest]:
    """Read the documents of a file.

    Args:
        text: its contents.
        source: the name of the file for error messages.

    Raises:
        InputError: it is not YAML, is empty, or a document is invalid; lists every problem with its field.
    """
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise InputError(f"{source} is not YAML: {' '.join(str(error).split())}") from error
    if not documents:
        raise InputError(f"{source} contains no document. A document starts with `apiVersion: klever.dev/v1alpha1`")
    manifests, problems = [], []
    for number, document in enumerate(documents, 1):
        place = f"{source}, document {number}" if len(documents) > 1 else source
        try:
            manifests.append(ServingManifest.model_validate(document))
        except ValidationError as error:
            problems.append("\n".join((f"{place} is not valid:", *_lines(error))))
    if problems:
        raise InputError("\n".join(problems))
    return manifests


def _lines(error: ValidationError) -> list[str]:
    return [f"  {each}" for each in mistakes_in(error, ServingManifest)]
