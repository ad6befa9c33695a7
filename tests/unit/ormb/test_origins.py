"""The hosts that may get credentials, among the addresses in a registry's answers."""

import pytest
from yarl import URL

from ormb.adapters.origins import exact, may_issue_tokens, within
from ormb.errors import ForeignHostError, RegistryError


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/v2/m/blobs/uploads/1?_state=a%2Bb%27", "https://r.example/v2/m/blobs/uploads/1?_state=a%2Bb%27"),
        ("https://r.example:443/v2/x", "https://r.example/v2/x"),
        ("https://R.example/v2/x", "https://R.example/v2/x"),
        ("http://r.example/v2/x?a=%2F", "https://r.example/v2/x?a=%2F"),
    ],
)
def test_an_upload_continues_only_at_the_registry_and_encrypted(location: str, leads_to: str) -> None:
    assert str(within(URL("https://r.example/v2/"), location, URL("https://r.example/v2/m/"))) == leads_to


@pytest.mark.parametrize(
    "location",
    ["https://elsewhere.example/v2/x", "//elsewhere.example/x", "https://r.example:8443/x", "http://r.example:81/x"],
)
def test_an_upload_at_another_host_is_refused_with_both_hosts(location: str) -> None:
    with pytest.raises(ForeignHostError, match=r"https://r\.example sends this client on to https?://\S+: refused"):
        within(URL("https://r.example/v2/"), location, URL("https://r.example/v2/m/"))


@pytest.mark.parametrize("location", ["ftp://r.example/x", "https://ann:secret@r.example/x", "https://[::1/x", "http:"])
def test_an_invalid_address_is_an_error(location: str) -> None:
    with pytest.raises(RegistryError):
        within(URL("https://r.example/v2/"), location, URL("https://r.example/v2/m/"))


@pytest.mark.parametrize("query", ["f=%22ann%27s%20model%22&sig=ab%2Bc%2Fd%3D%3D&t=a%7Eb", "a=b+c&d=%zz"])
def test_an_address_is_kept_byte_for_byte(query: str) -> None:
    assert exact(f"https://store.example/x%2Fy?{query}").raw_path_qs == f"/x%2Fy?{query}"


@pytest.mark.parametrize(
    ("registry", "realm", "may"),
    [
        ("https://registry-1.docker.io", "https://auth.docker.io/token", True),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("https://nvcr.io", "https://nvcr.io/proxy_auth", True),
        ("https://example.com", "https://auth.example.com/token", True),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000/token", True),
        ("https://r.example.com", "https://evil.example/token", False),
        ("https://r.example.com", "https://evilexample.com/token", False),
        ("https://r.example.com", "http://r.example.com/token", False),
        ("https://gcr.io", "https://evil.io/token", False),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", False),
        ("https://10.0.0.1", "https://10.0.0.2/token", False),
        ("https://10.0.0.1", "https://evil.0.0.1/token", False),
    ],
)
def test_a_token_endpoint_gets_credentials_only_if_it_belongs_to_the_registry(
    registry: str,
    realm: str,
    may: bool,  # noqa: FBT001 - a table
) -> None:
    assert may_issue_tokens(URL(registry), URL(realm)) is may
