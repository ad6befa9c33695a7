"""The gateway starts only if authentication is configured, or disabled on purpose."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from klever_gateway.settings import GatewaySettings
from kleverproto.mistakes import describe_mistakes


@pytest.mark.parametrize("settings", [{}, {"open": False}, {"open": True, "token_file": Path("token")}])
def test_a_token_or_open_access_must_be_chosen(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"KLEVER_GATEWAY_TOKEN_FILE=<file.*or KLEVER_GATEWAY_OPEN=1"):
        GatewaySettings(**settings)


@pytest.mark.parametrize("settings", [{"open": True}, {"token_file": Path("token")}])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "gateway.example.org"])  # noqa: S104 - not bound here
def test_the_gateway_serves_on_any_address_with_either_choice(settings: dict[str, Any], host: str) -> None:
    assert GatewaySettings(host=host, **settings).host == host


def test_state_is_kept_below_the_home_of_klever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLEVER_HOME", "/somewhere")
    assert str(GatewaySettings(open=True).data_dir) == "/somewhere/gateway"


def test_a_configured_public_url_is_a_name_of_the_gateway() -> None:
    with pytest.raises(ValidationError) as caught:
        GatewaySettings(open=True, public_url="https://a_b:c@klever.example")
    assert "cannot be a name of this server" in describe_mistakes(caught.value, GatewaySettings)
