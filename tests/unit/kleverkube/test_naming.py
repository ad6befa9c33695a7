import re

from hypothesis import given
from hypothesis import strategies as st

from kleverkube.naming import version_name
from kleverproto.references import DNS_LABEL_PATTERN

LABELS = st.from_regex(DNS_LABEL_PATTERN, fullmatch=True)
SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1035, which Services follow."""


@given(LABELS, LABELS)
def test_names_are_names_of_services(serving: str, variant: str) -> None:
    assert SERVICE_NAME.fullmatch(version_name(serving, variant, "0123456789ab"))


def test_names_of_different_versions_differ() -> None:
    long = "a" * 63
    versions = [
        *[("a-b", "c", "1"), ("a", "b-c", "1"), ("a", "b-c", "2")],
        *[(long, long, "1"), (long, long[:62] + "b", "1"), ("3d", "v1", "1"), ("s-3d", "v1", "1")],
    ]
    assert len({version_name(*version) for version in versions}) == len(versions)


def test_names_begin_with_serving_and_variant() -> None:
    assert version_name("iris", "v1", "1").startswith("iris-v1-")
