"""The choice of a proxy for each request."""

import pytest
from yarl import URL

from ormb.adapters.proxies import Proxies
from ormb.errors import ProxyError

PROXY = "http://proxy.corp.example:3128"


def chosen(url: str, **environment: str) -> str | None:
    proxy = Proxies(environment).proxy_for(URL(url))
    return str(proxy.url).rstrip("/") if proxy else None


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_https_uses_the_proxy_in_either_case(variable: str) -> None:
    assert chosen("https://registry.example.com/v2/", **{variable: PROXY}) == PROXY


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_http_uses_the_proxy_in_either_case(variable: str) -> None:
    assert chosen("http://registry.example.com/v2/", **{variable: PROXY}) == PROXY


def test_the_proxy_of_one_scheme_is_not_used_for_the_other() -> None:
    assert chosen("https://registry.example.com/", HTTP_PROXY=PROXY) is None
    assert chosen("http://registry.example.com/", HTTPS_PROXY=PROXY) is None
    assert chosen("https://registry.example.com/", HTTPS_PROXY="http://one:1", ALL_PROXY=PROXY) == "http://one:1"


def test_a_proxy_without_a_scheme_is_an_http_proxy_and_keeps_its_login() -> None:
    assert chosen("https://r.example.com/", HTTPS_PROXY="ann:s%40cret@proxy:3128") == "http://ann:s%40cret@proxy:3128"


@pytest.mark.parametrize(
    "url", ["http://localhost:5000/", "http://127.0.0.1:5000/", "http://127.8.9.1/", "http://[::1]:5000/"]
)
def test_this_machine_never_uses_a_proxy_not_even_a_broken_one(url: str) -> None:
    assert chosen(url, HTTP_PROXY="::broken::") is None


@pytest.mark.parametrize(
    "no_proxy",
    [
        "*",
        "registry.corp.example",
        "REGISTRY.corp.example",
        "corp.example",
        ".corp.example",
        "*.corp.example",
        "other.example, corp.example",
        "registry.corp.example:443",
    ],
)
def test_names_in_no_proxy_connect_directly(no_proxy: str) -> None:
    assert chosen("https://registry.corp.example/v2/", HTTPS_PROXY=PROXY, NO_PROXY=no_proxy) is None
    assert chosen("https://registry.corp.example/v2/", HTTPS_PROXY=PROXY, no_proxy=no_proxy) is None


@pytest.mark.parametrize(
    "no_proxy", ["", ",", "gistry.corp.example", "a.registry.corp.example", "registry.corp.example:5000", "::/x,10/"]
)
def test_other_names_in_no_proxy_change_nothing(no_proxy: str) -> None:
    assert chosen("https://registry.corp.example/v2/", HTTPS_PROXY=PROXY, NO_PROXY=no_proxy) == PROXY


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        ("https://10.1.2.3/", "10.0.0.0/8"),
        ("https://10.1.2.3/", "10.1.2.3"),
        ("https://10.1.2.3:5000/", "10.1.2.3:5000"),
        ("https://[fd00::5]/", "fd00::/8"),
        ("https://[fd00::5]:5000/", "[fd00::5]:5000"),
    ],
)
def test_addresses_and_ranges_in_no_proxy_connect_directly(url: str, no_proxy: str) -> None:
    assert chosen(url, HTTPS_PROXY=PROXY, NO_PROXY=no_proxy) is None
    assert chosen("https://192.0.2.1/", HTTPS_PROXY=PROXY, NO_PROXY=no_proxy) == PROXY


@pytest.mark.parametrize("value", ["::broken::", "http://", "http://proxy:port", "socks5://proxy:1080"])
def test_an_unusable_proxy_is_reported_by_its_variable(value: str) -> None:
    with pytest.raises(ProxyError, match=r"^\$HTTPS_PROXY names"):
        chosen("https://registry.example.com/", HTTPS_PROXY=value)
