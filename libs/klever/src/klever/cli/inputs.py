"""Values of a model's inputs on the command line."""

import json
from pathlib import Path
from typing import Any

from klever.errors import InputError
from klever.values import read_json, read_values


def named_value(text: str, option: str, pixels: str | None = None) -> tuple[str, Any]:
    """Name and value of `name=JSON`, `name=@file`, `@file` or `JSON`; the name of the last two is empty.

    Raises:
        InputError: it is none of these, or cannot be read; the message says how the option is written.
    """
    if text.startswith("@"):
        return "", read_values(Path(text[1:]), pixels)
    if _is_json(text):
        return "", read_json(text, option)
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{text!r} names no input: write {option} <name>=<JSON>, or {option} <name>=@<file>")
    if value.startswith("@"):
        return name, read_values(Path(value[1:]), pixels)
    return name, read_json(value, f"input {name}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return text.lstrip().startswith(("{", "["))  # no name begins like this: the error is about the JSON
    return True
