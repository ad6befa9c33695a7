"""Values of a model's inputs on the command line."""

import json
from pathlib import Path
from typing import Any

from klever.errors import InputError


def named_value(text: str, option: str) -> tuple[str, Any]:
    """Name and value of `name=JSON` or `name=@file`. Raises InputError that says how the option is written."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{text!r} names no input: write {option} <name>=<JSON>, or {option} <name>=@<file>")
    try:
        return name, json.loads(Path(value[1:]).read_text() if value.startswith("@") else value)
    except OSError as error:
        raise InputError(f"{value[1:]} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"the values of input {name} are not JSON ({error}): write [[1.0, 2.0]]") from error
