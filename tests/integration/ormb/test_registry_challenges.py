"""Registries with various login challenges: the supported one is answered."""

from pathlib import Path

import pytest

from ormb.adapters.connecting import Connecting
from ormb.client import OrmbClient
from ormb.errors import AuthenticationError
from ormb.login import check_login
from ormb.packing import pack
from support.scripted_registry import ANN, BASIC_CHALLENGE, BEARER_CHALLENGE, ScriptedRegistry, wants
from support.small_models import adder, many_files


@pytest.mark.parametrize(
    ("authorization", "challenges"),
    [
        (ANN.basic, [BASIC_CHALLENGE]),
        ("Bearer t", [BEARER_CHALLENGE]),
        (ANN.basic, ["BASIC realm=r"]),
        (ANN.basic, ["Negotiate", BASIC_CHALLENGE]),
        ("Bearer t", [f"{BASIC_CHALLENGE}, {BEARER_CHALLENGE}"]),
        ("Bearer t", [BASIC_CHALLENGE, BEARER_CHALLENGE]),
        (ANN.basic, [BEARER_CHALLENGE, BASIC_CHALLENGE]),
        (ANN.basic, ['Bearer realm="http://{host}/v2/no-tokens"', BASIC_CHALLENGE]),
        (ANN.basic, ['Bearer realm="http://elsewhere.invalid/token"', BASIC_CHALLENGE]),
    ],
)
async def test_the_supported_challenge_is_answered(
    scripted: ScriptedRegistry, anns_client: OrmbClient, tmp_path: Path, authorization: str, challenges: list[str]
) -> None:
    scripted.script = wants(authorization, *challenges)
    await check_login(scripted.host, ANN, tmp_path / "ormb", Connecting())
    pushed = await anns_client.push_directory(adder(tmp_path / "adder", 1), scripted.reference)
    await anns_client.pull_and_export(scripted.reference, tmp_path / "out")
    assert pack(tmp_path / "out").digest == pushed.digest


async def test_a_login_without_a_supported_challenge_is_refused(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    scripted.script = wants("Bearer other", BEARER_CHALLENGE, BASIC_CHALLENGE)
    with pytest.raises(AuthenticationError, match="refuses 'ann': check the name and password"):
        await check_login(scripted.host, ANN, tmp_path / "ormb", Connecting())


async def test_concurrent_requests_share_one_token(
    scripted: ScriptedRegistry, anns_client: OrmbClient, tmp_path: Path
) -> None:
    scripted.script = wants("Bearer t", BEARER_CHALLENGE)
    await anns_client.push_directory(many_files(tmp_path / "m"), scripted.reference)
    assert len([target for target in scripted.targets("GET") if target.startswith("/token")]) == 1
