"""Parses the challenges of a 401 response (RFC 9110, 11.6.1), in one header line or several; pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

LONGEST_LINE, MOST_LINES = 4096, 16
"""Maximum bytes of a line, and number of lines. The cost of parsing a line is quadratic in its length."""
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's name
_PARAMETER = re.compile(rf'\s*+({_TOKEN}+)\s*+=\s*+("(?:[^"\\]|\\.)*+"|{_TOKEN}+)\s*+(?=,|$)')
_SCHEME = re.compile(rf"\s*+({_TOKEN}+)(?:\s++|(?=,|$))")
_TOKEN68 = re.compile(r"\s*+[0-9A-Za-z._~+/-]++=*+\s*+(?=,|$)")
_REST = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,"]|")*')


@dataclass(frozen=True)
class Challenge:
    """One authentication scheme that a server offers."""

    scheme: str
    """In lower case."""
    parameters: dict[str, str] = field(default_factory=dict)
    """By name in lower case, without quotes."""


def parse_challenges(lines: Iterable[str]) -> list[Challenge]:
    """Return all challenges in order. Challenges that are malformed, or longer than any login needs, are skipped."""
    read = [line for line in lines if len(line) <= LONGEST_LINE][:MOST_LINES]
    return [challenge for line in read for challenge in _parsed(line)]


def _parsed(line: str) -> list[Challenge]:
    challenges: list[Challenge] = []
    at = 0
    while at < len(line):
        if line[at] in ", \t":
            at += 1
        elif (parameter := _PARAMETER.match(line, at)) and challenges:
            name, value = parameter.groups()
            challenges[-1].parameters.setdefault(name.lower(), _unquoted(value))
            at = parameter.end()
        elif scheme := _SCHEME.match(line, at):
            challenges.append(Challenge(scheme[1].lower()))
            at = _after_token68(line, scheme.end())
        else:
            at = max(_end_of_rest(line, at), at + 1)
    return challenges


def _after_token68(line: str, at: int) -> int:
    """Skip the single value that Negotiate and similar schemes have in place of parameters."""
    if _PARAMETER.match(line, at):
        return at
    value = _TOKEN68.match(line, at)
    return value.end() if value else at


def _end_of_rest(line: str, at: int) -> int:
    rest = _REST.match(line, at)
    return rest.end() if rest else at


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
