"""Parsing WWW-Authenticate headers of servers."""

import pytest

from ormb.adapters.challenges import Challenge, parse_challenges

BASIC = Challenge("basic", {"realm": "r"})
BEARER = Challenge("bearer", {"realm": "https://a.example/token", "service": "s", "scope": "repository:a/b:pull,push"})
BEARER_TEXT = 'Bearer realm="https://a.example/token",service="s",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("lines", "challenges"),
    [
        (['Basic realm="r"'], [BASIC]),
        (['BASIC realm="r"'], [BASIC]),
        (["Basic realm=r"], [BASIC]),
        (['basic  REALM = "r"'], [BASIC]),
        ([BEARER_TEXT], [BEARER]),
        ([f'Basic realm="r", {BEARER_TEXT}'], [BASIC, BEARER]),
        ([f'{BEARER_TEXT}, Basic realm="r"'], [BEARER, BASIC]),
        (['Basic realm="r"', BEARER_TEXT], [BASIC, BEARER]),
        (["Negotiate", 'Basic realm="r"'], [Challenge("negotiate"), BASIC]),
        (['Negotiate, Basic realm="r"'], [Challenge("negotiate"), BASIC]),
        (['Negotiate YWJjZA==, Basic realm="r"'], [Challenge("negotiate"), BASIC]),
        (['Basic realm="a, Bearer realm=b"'], [Challenge("basic", {"realm": "a, Bearer realm=b"})]),
        ([r'Basic realm="a \"quoted\" name"'], [Challenge("basic", {"realm": 'a "quoted" name'})]),
        (['Basic realm="r", charset="UTF-8"'], [Challenge("basic", {"realm": "r", "charset": "UTF-8"})]),
        (['Basic realm="r",'], [BASIC]),
        ([""], []),
        ([], []),
        (['=", ,,"'], []),
        (['Basic realm="never closed'], [Challenge("basic")]),
    ],
)
def test_every_challenge_is_parsed(lines: list[str], challenges: list[Challenge]) -> None:
    assert parse_challenges(lines) == challenges
