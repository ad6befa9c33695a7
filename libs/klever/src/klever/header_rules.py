"""Header rules as people write them on a command line; pure."""

import re

from pydantic import ValidationError

from kleverkit.expressions import expression_mistake
from kleverproto.mistakes import worded
from kleverproto.traffic import HeaderMatch, HeaderRule

from .errors import InputError

_NEXT = re.compile(r",(?=[^,=^]+(?:=~|\^=|=))")
_MATCH = re.compile(r"(?P<name>[^=^]+)(?P<kind>=~|\^=|=)(?P<value>.+)")
_KINDS = {"=": "exact", "^=": "prefix", "=~": "regex"}
_HOW = "write VARIANT:HEADER=VALUE (or HEADER^=PREFIX, or HEADER=~REGEX), several headers with commas between"


def parse_rule(text: str) -> HeaderRule:
    """A rule such as `v2:x-user=ann,x-region^=eu`. Raises InputError that says how one is written."""
    variant, colon, matches = text.partition(":")
    found = [_MATCH.fullmatch(each) for each in _NEXT.split(matches)]
    if not colon or None in found:
        raise InputError(f"{text!r} is no rule: {_HOW}")
    headers = {
        each["name"].strip().lower(): HeaderMatch.model_validate({_KINDS[each["kind"]]: each["value"]})
        for each in _checked(found, text)
    }
    try:
        return HeaderRule(headers=headers, variant=variant)
    except ValidationError as error:
        raise InputError(f"{text!r} is no rule: {worded(error, HeaderRule)}; {_HOW}") from error


def describe_rule(rule: HeaderRule) -> str:
    """As `parse_rule` reads it."""
    return f"{rule.variant}:" + ",".join(f"{name}{_written(match)}" for name, match in rule.headers.items())


def _checked(found: list[re.Match[str] | None], text: str) -> list[re.Match[str]]:
    matches = [each for each in found if each is not None]
    for each in matches:
        try:
            match = HeaderMatch.model_validate({_KINDS[each["kind"]]: each["value"]})
        except ValidationError as error:
            raise InputError(f"{text!r} is no rule: {worded(error, HeaderMatch)}") from error
        if match.regex is not None and (mistake := expression_mistake(match.regex)) is not None:
            raise InputError(f"{text!r} is no rule: {mistake}")
    return matches


def _written(match: HeaderMatch) -> str:
    if match.regex is not None:
        return f"=~{match.regex}"
    return f"^={match.prefix}" if match.prefix is not None else f"={match.exact}"
