"""The gateway has no login: it serves others only when told so."""

import pytest
from pydantic import ValidationError

from klever_gateway.settings import GatewaySettings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gateway.example.org"])  # noqa: S104 - refused
def test_an_address_that_others_reach_is_refused_with_what_to_do(host: str) -> None:
    with pytest.raises(ValidationError, match="KLEVER_GATEWAY_ALLOW_ANONYMOUS=true"):
        GatewaySettings(host=host)
    assert GatewaySettings(host=host, allow_anonymous=True).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_address_is_fine(host: str) -> None:
    assert GatewaySettings(host=host).host == host


def test_state_lies_below_the_home_of_klever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLEVER_HOME", "/somewhere")
    assert str(GatewaySettings().data_dir) == "/somewhere/gateway"
