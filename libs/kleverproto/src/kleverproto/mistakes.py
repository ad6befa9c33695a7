"""Validation errors in plain sentences, by field."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from .accounts import ACCOUNT_NAME_PATTERN, HASH_PATTERN, PROJECT_PATTERN
from .references import DIGEST_PATTERN, DNS_LABEL_PATTERN, REPOSITORY_PATTERN, TAG_PATTERN
from .scans import TRUST_PATTERN
from .traffic import COOKIE_PATTERN, HEADER_PATTERN, HEADER_PREFIX_PATTERN, HEADER_VALUE_PATTERN
from .variants import ENV_PATTERN, PATH_PATTERN, WORD_PATTERN

PATTERNS = {
    DNS_LABEL_PATTERN: "lower-case letters, digits and hyphens, 63 at most, with a letter or digit at both ends",
    REPOSITORY_PATTERN: "lower-case letters and digits, with single dots, hyphens or underscores between them",
    TAG_PATTERN: "letters, digits, dots, hyphens and underscores, 128 at most, with neither dot nor hyphen in front",
    DIGEST_PATTERN: "sha256: and 64 hex digits in lower case, or sha512: and 128",
    PROJECT_PATTERN: "a project's name in lower case, or * for every project",
    ACCOUNT_NAME_PATTERN: "letters, digits and . _ $ + @ -, 128 at most, with a letter or digit in front",
    HASH_PATTERN: "a bcrypt hash, as `klever registry account add` writes it",
    HEADER_PATTERN: "a header's name in lower case, without spaces or colons",
    HEADER_VALUE_PATTERN: "what a header can hold: visible ASCII characters, with spaces and tabs between them only",
    HEADER_PREFIX_PATTERN: "what a header's value can begin with: visible ASCII characters, then spaces and tabs too",
    COOKIE_PATTERN: "a cookie's name, without spaces, semicolons or equals signs",
    ENV_PATTERN: "letters, digits and underscores, with no digit in front",
    TRUST_PATTERN: "a class or function of a module, without dots in its name, such as my.module:MyTransformer",
    WORD_PATTERN: "text of one character or more, without a zero byte",
    PATH_PATTERN: "a path that begins with /",
}
"""Descriptions of patterns."""
KINDS = {
    "missing": "is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must hold keys and values",
    "model_type": "must hold keys and values",
    "model_attributes_type": "must hold keys and values",
    "datetime_type": "must be a time such as 2026-01-02T03:04:05Z",
    "datetime_parsing": "must be a time such as 2026-01-02T03:04:05Z",
    "datetime_from_date_parsing": "must be a time such as 2026-01-02T03:04:05Z",
    "timezone_aware": "must have a time zone, such as 2026-01-02T03:04:05Z",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be {le} or less",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "too_short": "must have {min_length} entries or more",
    "too_long": "must have {max_length} entries or fewer",
    "union_tag_not_found": "must have the key {discriminator}",
    "union_tag_invalid": "must be one of {expected_tags}",
}
"""Messages by pydantic's type of error."""
KEY = "[key]"
"""Last part of pydantic's location if the key itself is invalid."""
CHOICE = re.compile(r"^\^\(([\w|-]+)\)\$$")


@dataclass(frozen=True)
class Mistake:
    """A mistake in one field."""

    place: str
    """Path of the field, such as `spec.variants.0.model`; empty for the document itself."""
    message: str
    names_key: bool = False
    """True if the message contains the last part of the place."""

    def __str__(self) -> str:
        place = self.place.rpartition(".")[0] if self.names_key else self.place
        return f"{place}: {self.message}" if place else self.message


def mistakes_in(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """Return all mistakes of a validation error."""
    errors = error.errors(include_url=False)
    return [
        Mistake(
            ".".join(str(part) for part in each["loc"] if part != KEY),
            _message(each, model),
            each["type"] == "extra_forbidden",
        )
        for each in errors
        if not _is_echo(each, errors)
    ]


def describe_mistakes(error: ValidationError, model: type[BaseModel]) -> str:
    """Return all mistakes as one line."""
    return "; ".join(map(str, mistakes_in(error, model)))


def _message(error: Any, model: type[BaseModel]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(error["loc"], model)
    if kind == "string_pattern_mismatch":
        return _pattern(context["pattern"])
    if kind in {"literal_error", "enum"}:
        return _choice(error["input"], re.findall(r"'([^']*)'", context["expected"]))
    if kind in KINDS:
        return KINDS[kind].format_map(context)
    return str(error["msg"]).removeprefix("Value error, ")


def _pattern(pattern: str) -> str:
    if choice := CHOICE.match(pattern):
        return f"must be one of {', '.join(choice[1].split('|'))}"
    return PATTERNS.get(pattern, f"does not match {pattern}")


def _choice(value: Any, expected: Sequence[str]) -> str:
    by_folded = {each.lower(): each for each in expected}
    near = difflib.get_close_matches(str(value).lower(), by_folded, n=1)
    hint = f", did you mean {by_folded[near[0]]}?" if near else ""
    only = f"must be {expected[0]}" if len(expected) == 1 else f"must be one of {', '.join(expected)}"
    return f"{only}{hint}"


def _unknown_key(location: Sequence[int | str], model: type[BaseModel]) -> str:
    known = {key.lower(): key for key in _keys_at(location[:-1], model)}
    near = difflib.get_close_matches(str(location[-1]).lower(), known, n=1)
    hint = f", did you mean {known[near[0]]}?" if near else f"; the keys here are {', '.join(sorted(known.values()))}"
    return f"unknown key {location[-1]}{hint}"


def _keys_at(location: Sequence[int | str], model: type[BaseModel]) -> set[str]:
    """Return the keys of the object at a place. Parts that are not fields are indexes, users' keys or union tags."""
    here: set[type[BaseModel]] = {model}
    for part in location:
        fields = [field for each in here for name, field in each.model_fields.items() if part in {name, field.alias}]
        inner = {each for field in fields for each in _models_in(field.annotation)}
        here = inner or {each for each in here if _has_tag(each, part)} or here
    return {field.alias or name for each in here for name, field in each.model_fields.items()}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models inside annotations such as `Model | None`, `tuple[Model, ...]` and `dict[str, Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _has_tag(model: type[BaseModel], part: int | str) -> bool:
    """Return whether this tag selects the model in a union."""
    return any(part in get_args(field.annotation) for field in model.model_fields.values())


def _is_echo(one: Mapping[str, Any], errors: Sequence[Any]) -> bool:
    """Return whether a list seems too short only because its items are invalid."""
    depth = len(one["loc"])
    inside = [each for each in errors if len(each["loc"]) > depth and each["loc"][:depth] == one["loc"]]
    return one["type"] == "too_short" and bool(inside)
