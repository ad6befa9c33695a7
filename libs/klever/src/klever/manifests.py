"""Servings as files: YAML or JSON, one or several documents; pure."""

import yaml
from pydantic import ValidationError

from kleverproto.mistakes import mistakes_in
from kleverproto.serving_specs import ServingManifest

from .errors import InputError


def read_manifests(text: str, source: str) -> list[ServingManifest]:
    """The documents of a file.

    Args:
        text: its contents.
        source: what it is called in messages.

    Raises:
        InputError: it is not YAML, holds nothing, or a document is not valid; every problem with its field.
    """
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise InputError(f"{source} is not YAML: {' '.join(str(error).split())}") from error
    if not documents:
        raise InputError(f"{source} holds no document: it begins with `apiVersion: klever.dev/v1alpha1`")
    found, wrong = [], []
    for number, document in enumerate(documents, 1):
        place = f"{source}, document {number}" if len(documents) > 1 else source
        try:
            found.append(ServingManifest.model_validate(document))
        except ValidationError as error:
            wrong.append("\n".join((f"{place} is not valid:", *_lines(error))))
    if wrong:
        raise InputError("\n".join(wrong))
    return found


def _lines(error: ValidationError) -> list[str]:
    return [f"  {each}" for each in mistakes_in(error, ServingManifest)]
