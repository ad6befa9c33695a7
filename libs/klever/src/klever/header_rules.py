"""Header rules in the syntax of the command line; pure."""

import re

from pydantic import ValidationError

from kleverkit.expressions import expression_mistake
from kleverproto.mistakes import describe_mistakes
from kleverproto.traffic import HeaderMatch, HeaderRule

from .errors import InputError

_NEXT = re.compile(r",(?=[^,=^]+(?:=~|\^=|=))")
_MATCH = re.compile(r"(?P<name>[^=^]+)(?P<kind>=~|\^=|=)(?P<value>.+)")
_KINDS = {"=": "exact", "^=": "prefix", "=~": "regex"}
_HOW = "write VARIANT:HEADER=VALUE (or HEADER^=PREFIX, or HEADER=~REGEX); separate several headers with commas"


def parse_rule(text: str) -> HeaderRule:
    """Parse a rule such as `v2:x-user=ann,x-region^=eu`. Raises InputError with the syntax."""
    variant, colon, matches = text.partition(":")
    matched = [_MATCH.fullmatch(each) for each in _NEXT.split(matches)]
    if not colon or None in matched:
        raise InputError(f"{text!r} is not a valid rule: {_HOW}")
    headers = {
        each["name"].strip().lower(): HeaderMatch.model_validate({_KINDS[each["kind"]]: each["value"]})
        for each in _checked(matched, text)
    }
    try:
        return HeaderRule(headers=headers, variant=variant)
    except ValidationError as error:
        raise InputError(f"{text!r} is not a valid rule: {describe_mistakes(error, HeaderRule)}; {_HOW}") from error


def describe_rule(rule: HeaderRule) -> str:
    """Return a rule in the syntax of `parse_rule`."""
    return f"{rule.variant}:" + ",".join(f"{name}{_written(match)}" for name, match in rule.headers.items())


def _checked(matched: list[re.Match[str] | None], text: str) -> list[re.Match[str]]:
    matches = [each for each in matched if each is not None]
    for each in matches:
        try:
            match = HeaderMatch.model_validate({_KINDS[each["kind"]]: each["value"]})
        except ValidationError as error:
            raise InputError(f"{text!r} is not a valid rule: {describe_mistakes(error, HeaderMatch)}") from error
        if match.regex is not None and (mistake := expression_mistake(match.regex)) is not None:
            raise InputError(f"{text!r} is not a valid rule: {mistake}")
    return matches


def _written(match: HeaderMatch) -> str:
    if match.regex is not None:
        return f"=~{match.regex}"
    return f"^={match.prefix}" if match.prefix is not None else f"={match.exact}"
