"""Values of model inputs on the command line."""

import json
from pathlib import Path
from typing import Any

from klever.errors import InputError
from klever.values import read_json, read_values


def named_value(text: str, option: str, pixels: str | None = None) -> tuple[str, Any]:
    """Return name and value of `name=JSON`, `name=@file`, `@file` or `JSON`; the last two have an empty name.

    Raises:
        InputError: the text has another form, or the file cannot be read; the message shows the syntax.
    """
    if text.startswith("@"):
        return "", read_values(Path(text[1:]), pixels)
    if _is_json(text):
        return "", read_json(text, option)
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{text!r} has no name of an input: write {option} <name>=<JSON>, or {option} <name>=@<file>")
    if value.startswith("@"):
        return name, read_values(Path(value[1:]), pixels)
    return name, read_json(value, f"input {name}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return text.lstrip().startswith(("{", "["))  # no name starts like this: report the error of the JSON
    return True
