"""Credentials for external systems, issued by an operator on a running platform."""

import json
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client

from kleverproto.projects import OnUnsafe
from support.commands import Shell
from support.waiting import eventually
from support.whole_platform import Platform

SUBJECT = "klever.project.policyrequested.library"
REQUEST = {"project": "library", "policy": {"scan": "warn"}}
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "one",
    "ce-source": "https://ci.example",
    "ce-type": "dev.klever.project.policyrequested.v1",
    "ce-time": "2026-01-01T00:00:00Z",
}


async def connect(platform: Platform, credentials: Path) -> Client:
    client = Client()
    try:
        await client.connect(platform.urls["nats"], nkeys_seed=str(credentials), allow_reconnect=False)
    except BaseException:
        await client.close()
        raise
    return client


async def test_credentials_work_when_the_command_returns_and_end_with_their_removal(
    platform: Platform, tmp_path: Path
) -> None:
    shell = Shell(platform.home, tmp_path)
    issued = await shell.run(f"klever events credentials ci --publish {SUBJECT}")
    assert issued.code == 0, issued.err
    assert (tmp_path / "ci.nk").stat().st_mode & 0o777 == 0o600
    external = await connect(platform, tmp_path / "ci.nk")
    await external.jetstream().publish(SUBJECT, json.dumps(REQUEST).encode(), headers=HEADERS)

    async with platform.client() as client:

        async def is_handled() -> bool:
            return (await client.policy("library")).scan is OnUnsafe.WARN

        await eventually(is_handled, within=60)
    again = await shell.run("klever events credentials ci --output other.nk")
    assert (again.code, "already has credentials" in again.err, (tmp_path / "other.nk").exists()) == (1, True, False)
    shown = json.loads((await shell.run("klever events credentials --list --json")).out)
    assert [(one["name"], one["publish"], one["subscribe"]) for one in shown] == [("ci", [SUBJECT], [])]

    removed = await shell.run("klever events credentials ci --remove")
    assert removed.code == 0, removed.err

    async def is_cut_off() -> bool:
        return not external.is_connected

    await eventually(is_cut_off, within=60)
    await external.close()
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        await connect(platform, tmp_path / "ci.nk")
    await platform.healed()
