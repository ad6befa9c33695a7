"""The names in Host and Origin that are a server's own."""

import pytest

from kleverkit.own_names import Authority, OwnNames, local_authority
from kleverkit.settings import ServiceSettings

LOCAL = Authority("127.0.0.1", 8080)


def is_own(host: str, *configured: str, local: Authority = LOCAL) -> bool:
    return OwnNames(configured).include(Authority.parse(host), local)


@pytest.mark.parametrize(
    "host", ["localhost:8080", "LOCALHOST:8080", "localhost.:8080", "127.0.0.1:8080", "[::1]:8080"]
)
def test_loopback_names_with_the_servers_port_are_its_own(host: str) -> None:
    assert is_own(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8080",
        "localhost.evil.example:8080",
        "127.0.0.1.evil.example:8080",
        "evil-localhost:8080",
        "localhost:8081",
        "localhost",
        "0.0.0.0:8080",
        "127.0.0.2:8080",
        "[::2]:8080",
        "xn--lcalhost-44g:8080",
    ],
)
def test_other_names_and_ports_are_foreign(host: str) -> None:
    assert not is_own(host)


def test_the_local_address_of_the_connection_is_a_name() -> None:
    assert is_own("192.0.2.7:8080", local=Authority("192.0.2.7", 8080))
    assert not is_own("192.0.2.7:8081", local=Authority("192.0.2.7", 8080))
    assert is_own("[2001:DB8::7]:8080", local=local_authority(("2001:db8::7", 8080, 0, 0)))
    assert is_own("192.0.2.7:8080", local=local_authority(("::ffff:192.0.2.7", 8080, 0, 0)))


def test_the_default_port_of_the_scheme_may_be_omitted() -> None:
    assert is_own("localhost", local=Authority("127.0.0.1", 80))
    assert is_own("localhost:", local=Authority("127.0.0.1", 80))
    assert not is_own("localhost:8080", local=Authority("127.0.0.1", 80))


def test_a_configured_name_is_valid_on_the_default_ports_and_the_servers_own() -> None:
    for host in ("klever.example", "Klever.Example.:443", "klever.example:80", "klever.example:8080"):
        assert is_own(host, "klever.example")
    assert not is_own("klever.example:9000", "klever.example")
    assert not is_own("a.klever.example", "klever.example")


def test_a_configured_name_with_a_port_is_valid_only_there() -> None:
    assert is_own("klever.example:9000", "KLEVER.example:9000")
    assert not is_own("klever.example:8080", "klever.example:9000")
    assert is_own("klever.example", "klever.example:443")
    assert is_own("localhost:9000", "localhost:9000")


@pytest.mark.parametrize(
    "text",
    [
        *("", ":8080", "a b", "a/b", "user@localhost:8080", "localhost:0", "localhost:65536", "localhost:+1", "a:b"),
        *("a:1:2", "[::1", "::1", "[localhost]:1", "localhost:8080,evil", "localhost\t:8080", "lo\u0441alhost", "."),
        "a" * 256,
    ],
)
def test_an_invalid_authority_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Authority.parse(text)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost:8080", Authority("localhost", 8080)),
        ("http://localhost", Authority("localhost", 80)),
        ("https://klever.example", Authority("klever.example", 443)),
        ("http://[::1]:8080", Authority("::1", 8080)),
    ],
)
def test_an_origin_always_has_a_port(origin: str, expected: Authority) -> None:
    assert Authority.of_origin(origin) == expected


@pytest.mark.parametrize(
    "origin", ["null", "", "file://", "ftp://localhost:8080", "http://localhost:8080/x", "localhost"]
)
def test_other_origins_are_refused(origin: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Authority.of_origin(origin)


def test_an_invalid_configured_name_ends_a_service_with_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"'http://a' cannot be a name of this server.*write host or host:port"):
        ServiceSettings(names="klever.example,http://a")
