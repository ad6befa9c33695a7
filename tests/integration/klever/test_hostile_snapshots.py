"""A hostile snapshot in a backup writes nothing outside of its stream, and leaves no stream."""

import json
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from klever.backup.errors import BackupError
from klever.backup.members import chunk_name
from klever.backup.streams import restore_streams
from klever.backup.verification import verified
from support.backup_files import BackupFile, whole
from support.hostile_snapshots import entry, snapshot_of, truncated
from support.nats_server import NatsServer

FIRST = "KV_klever-models"
"""The stream that is restored first."""
CONSUMER = {
    "created": "2026-01-31T00:00:00Z",
    "name": "spy",
    "durable_name": "spy",
    "deliver_subject": "$KV.klever-servings.default.iris",
    "ack_policy": "none",
    "deliver_policy": "all",
    "replay_policy": "instant",
}


@pytest.fixture
async def client(own_nats: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(own_nats.url)
    yield client
    await client.close()


def files_below(directory: Path) -> set[str]:
    """The names of files; nats-server may be removing some."""
    return {name for _, folders, files in os.walk(directory) for name in (*folders, *files)}


HOSTILE = {
    "a path out of the stream": (snapshot_of(FIRST, entry("../../../../../../evil", b"x")), "unexpected content"),
    "a link": (snapshot_of(FIRST, entry("msgs", kind=tarfile.SYMTYPE, target="/etc")), "unexpected content"),
    "a member that is larger than any disk": (truncated("msgs/1.blk", 2**50), "insufficient storage"),
    "another stream": (snapshot_of("KLEVER_OTHER"), "stream names do not match"),
    "a consumer": (
        snapshot_of(
            FIRST, entry("obs/spy/meta.inf", json.dumps(CONSUMER).encode()), entry("obs/spy/meta.sum", b"0" * 16)
        ),
        "contains consumers",
    ),
}


@pytest.mark.parametrize("fault", HOSTILE)
async def test_a_hostile_snapshot_changes_nothing(fault: str, client: Client, tmp_path: Path) -> None:
    content, reason = HOSTILE[fault]
    path = BackupFile.of(whole() | {chunk_name(FIRST, 1): content}).write(tmp_path / "backup")
    with verified(path) as backup, pytest.raises(BackupError, match=reason):
        await restore_streams(client, backup)
    assert await client.jetstream().streams_info() == []
    assert "evil" not in files_below(tmp_path)


async def test_a_harmless_snapshot_of_this_kind_is_restored(client: Client, tmp_path: Path) -> None:
    """The other tests fail for the reasons that they name, and not because of their frames."""
    members = whole() | {chunk_name(FIRST, 1): snapshot_of(FIRST)}
    path = BackupFile.of(members).write(tmp_path / "backup")
    with verified(path) as backup, pytest.raises(BackupError, match="the snapshot of KV_klever-projects"):
        await restore_streams(client, backup)
