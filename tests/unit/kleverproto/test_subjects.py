"""Any name survives a round trip through a subject or a KV key."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kleverproto import subjects

KV_KEY = re.compile(r"^[-/_=.a-zA-Z0-9]+$")


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_any_name_survives_a_round_trip_through_a_key(names: list[str]) -> None:
    key = subjects.join(*names)
    assert subjects.split(key) == tuple(names)
    assert KV_KEY.match(key)
    assert key.count(".") == len(names) - 1


@pytest.mark.parametrize(
    ("name", "token"),
    [("v1.0", "v1=2E0"), ("team/iris", "team=2Firis"), ("*", "=2A"), (">", "=3E"), ("a b", "a=20b"), ("=", "=3D")],
)
def test_nats_syntax_in_names_is_escaped(name: str, token: str) -> None:
    assert subjects.escape(name) == token
