"""Names of artifacts."""

import pytest

from ormb.errors import InvalidReferenceError
from ormb.reference import Reference

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        ("localhost:5000/library/iris:v1", "localhost:5000", "library/iris", "v1", None),
        ("registry.example.com/a/b/c:1.0-rc_1", "registry.example.com", "a/b/c", "1.0-rc_1", None),
        ("[::1]:5000/m:v1", "[::1]:5000", "m", "v1", None),
        (f"localhost/m@{DIGEST}", "localhost", "m", None, DIGEST),
        (f"127.0.0.1:5000/m:v1@{DIGEST}", "127.0.0.1:5000", "m", "v1", DIGEST),
        ("localhost:5000/m", "localhost:5000", "m", None, None),
        ("registry.example/x:v1", "registry.example", "x", "v1", None),
    ],
)
def test_a_reference_survives_a_round_trip(
    text: str, host: str, repository: str, tag: str | None, digest: str | None
) -> None:
    reference = Reference.parse(text)
    assert reference == Reference(host, repository, tag, digest)
    assert str(reference) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("library/iris:v1", "names no registry"),
        ("iris", "names no registry"),
        ("localhost:5000/Library/iris:v1", "in lower case"),
        ("localhost:5000/iris:", "is no tag"),
        (f"localhost:5000/iris:{'x' * 129}", "is no tag"),
        ("localhost:5000/iris@sha256:abc", "is no digest"),
        ("localhost:5000/../etc/passwd:v1", "is no repository name"),
        ("", "names no registry"),
    ],
)
def test_an_invalid_reference_is_refused_with_an_example(text: str, says: str) -> None:
    with pytest.raises(InvalidReferenceError, match=says):
        Reference.parse(text)


def test_a_missing_version_is_refused_if_one_is_required() -> None:
    with pytest.raises(InvalidReferenceError, match="names no version"):
        Reference.parse_named("localhost:5000/library/iris")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost:5000", True), ("127.0.0.1", True), ("[::1]:5000", True), ("10.0.0.1:5000", False), ("a.com", False)],
)
def test_only_loopback_is_used_without_tls(host: str, loopback: bool) -> None:  # noqa: FBT001 - a case
    assert Reference(host, "m", "v1").is_loopback is loopback
