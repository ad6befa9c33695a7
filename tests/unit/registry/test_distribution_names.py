"""Names in the distribution API."""

import pytest

from klever_registry.domain import names
from klever_registry.domain.pages import Page, page, parse_limit
from klever_registry.errors import DigestInvalidError, ManifestInvalidError, NameInvalidError, PageInvalidError

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "name"), [("iris", "library/iris"), ("library/iris", "library/iris"), ("a/b_c/d-e.f", "a/b_c/d-e.f")]
)
def test_a_repository_always_has_a_project(text: str, name: str) -> None:
    assert names.repository_name(text) == name


@pytest.mark.parametrize("text", ["", "Iris", "a//b", "/a", "a/", "../a", "a/_oci", "a/.b", "a b", "a" * 256, "a\n"])
def test_an_invalid_repository_name_is_refused(text: str) -> None:
    with pytest.raises(NameInvalidError):
        names.repository_name(text)


@pytest.mark.parametrize("text", [DIGEST, f"sha512:{'0' * 128}"])
def test_a_digest_is_not_a_tag(text: str) -> None:
    assert names.digest(text) == text
    assert not names.is_tag(text)


@pytest.mark.parametrize("text", ["sha256:abc", f"md5:{'a' * 32}", f"sha256:{'A' * 64}", f"{DIGEST}/..", f"{DIGEST}\n"])
def test_an_invalid_digest_is_refused(text: str) -> None:
    with pytest.raises(DigestInvalidError):
        names.digest(text)


def test_a_valid_tag_is_accepted() -> None:
    assert names.is_tag("v1.0")


@pytest.mark.parametrize("text", ["-v1", ".", "a" * 129, "ä", "v1\n"])
def test_an_invalid_tag_is_refused(text: str) -> None:
    with pytest.raises(ManifestInvalidError):
        names.is_tag(text)


def test_tags_are_paged_with_a_link_to_the_next_page() -> None:
    tags = ["a", "b", "c"]
    assert page(tags, limit=None, last=None) == Page(("a", "b", "c"), None)
    assert page(tags, limit=2, last=None) == Page(("a", "b"), "n=2&last=b")
    assert page(tags, limit=2, last="b") == Page(("c",), None)
    assert page(tags, limit=0, last=None) == Page((), None)
    assert page(tags, limit=5, last="aa") == Page(("b", "c"), None)


def test_a_page_size_is_a_number() -> None:
    assert parse_limit("3") == 3
    with pytest.raises(PageInvalidError):
        parse_limit("-1")
